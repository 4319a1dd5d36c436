import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { certificateFacts, readCertificates, readIdentity } from "../certificate.ts";
import { TlsError } from "../world.ts";
import type {
  CertificateFacts,
  NetError,
  Socket,
  SocketHandler,
  Timer,
  TlsClientOptions,
  TlsContext,
  TlsFailure,
  TlsIdentity,
  TlsServerOptions,
  TlsState,
} from "../world.ts";
import type { SimulatedClock } from "./clock.ts";
import type { SimulatedSocket } from "./connection.ts";

/**
 * TLS without encryption: the messages of a handshake go over the simulated wire as JSON, and what
 * follows goes as it is. Names, chains, dates, ALPN, client certificates, resumption, refusals and
 * timeouts are those of real certificates; versions and ciphers are always the same.
 */

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** TLS's content type of a handshake (RFC 8446, 5.1), so that plaintext is told apart. */
const HANDSHAKE = 0x16;
const HEADER_BYTES = 5;
const MESSAGE_MAX_BYTES = 64 * 1024;

interface ClientHello {
  readonly serverName: string;
  readonly alpn: readonly string[] | null;
  readonly session: Session | null;
}

interface ServerHello {
  readonly alpn: string;
  readonly certificate: string;
  readonly wantsPeer: boolean;
  readonly resumed: boolean;
}

interface ClientFinished {
  readonly certificate: string | null;
}

interface ServerFinished {
  readonly session: Session;
}

interface Alert {
  readonly alert: TlsFailure;
}

/** A ticket: only who made the context takes it. */
interface Session {
  readonly context: number;
  readonly peer: string | null;
}

export class SimulatedTlsContext implements TlsContext {
  static #made = 0;
  readonly id = (SimulatedTlsContext.#made += 1);
  readonly certificate: CertificateFacts | null;

  constructor(readonly identity: TlsIdentity) {
    this.certificate = readIdentity(identity);
  }
}

/** @throws TlsError where callers that name no server have no context. */
export function checkServerOptions(tls: TlsServerOptions): void {
  if (tls.contextFor("") === null) throw unknownName("");
}

function unknownName(serverName: string): TlsError {
  const name = serverName === "" ? "callers that name no server" : `"${serverName}"`;
  return new TlsError("unknown-name", `there is no certificate for ${name}`);
}

// ---------------------------------------------------------------- both sides

/** Handles a socket until the handshake has ended; then its owner does. */
abstract class Handshake implements SocketHandler {
  readonly socket: SimulatedSocket;
  readonly clock: SimulatedClock;
  #held = new Uint8Array(0);
  #timer: Timer;
  #isOver = false;
  #failure: TlsError | null = null;

  constructor(socket: SimulatedSocket, clock: SimulatedClock, timeoutMs: number | undefined) {
    this.socket = socket;
    this.clock = clock;
    socket.isHandshaking = true;
    const boundMs = timeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    this.#timer = clock.after(boundMs, () => {
      this.fail(new TlsError("timeout", `${this.doing}: no end within ${boundMs} ms`), false);
    });
  }

  get doing(): string {
    return `the TLS handshake with ${this.socket.remoteAddress}`;
  }

  abstract onMessage(message: unknown): void;
  /** The handshake failed, and the socket is closed. */
  abstract failed(error: TlsError): void;
  abstract onOpen(socket: Socket): void;

  onData(bytes: Uint8Array): void {
    const held = new Uint8Array(this.#held.length + bytes.length);
    held.set(this.#held);
    held.set(bytes, this.#held.length);
    this.#held = held;
    if (this.#isOver) return;
    if (held[0] !== HANDSHAKE) return this.onPlaintext(held);
    while (!this.#isOver && this.#held.length >= HEADER_BYTES) {
      const length = new DataView(this.#held.buffer).getUint32(1);
      if (length > MESSAGE_MAX_BYTES) return this.onPlaintext(this.#held);
      if (this.#held.length < HEADER_BYTES + length) return;
      const text = new TextDecoder().decode(this.#held.subarray(HEADER_BYTES, HEADER_BYTES + length));
      this.#held = this.#held.slice(HEADER_BYTES + length);
      const message = JSON.parse(text) as object;
      if ("alert" in message) this.#alerted((message as Alert).alert);
      else this.onMessage(message);
    }
  }

  onPlaintext(_bytes: Uint8Array): void {
    this.fail(new TlsError("not-tls", `${this.doing}: what was sent is not TLS`), false);
  }

  send(message: ClientHello | ServerHello | ClientFinished | ServerFinished | Alert): void {
    const text = new TextEncoder().encode(JSON.stringify(message));
    const bytes = new Uint8Array(HEADER_BYTES + text.length);
    bytes[0] = HANDSHAKE;
    new DataView(bytes.buffer).setUint32(1, text.length);
    bytes.set(text, HEADER_BYTES);
    this.socket.sendWhole(bytes);
  }

  #alerted(alert: TlsFailure): void {
    const isAboutUs = alert === "no-certificate" || alert === "untrusted-peer";
    const reason = isAboutUs ? "refused-by-peer" : alert;
    this.fail(new TlsError(reason, `${this.doing}: the peer refused (${alert})`), false);
  }

  fail(error: TlsError, tellsPeer: boolean): void {
    if (this.#isOver) return;
    this.#end();
    this.#failure = error;
    if (tellsPeer) this.send({ alert: error.reason });
    if (error.reason === "timeout") this.socket.terminate();
    else this.socket.close();
  }

  #end(): void {
    this.#isOver = true;
    this.#timer.cancel();
  }

  /** The owner takes over; what came behind the handshake is its first data. */
  handOver(owner: SocketHandler, state: TlsState): void {
    this.#end();
    this.socket.tls = state;
    this.socket.isHandshaking = false;
    this.socket.handler = owner;
    this.socket.putBack(this.#held);
    owner.onOpen(this.socket);
  }

  onDrain(): void {}
  onEnd(): void {
    this.fail(new TlsError("closed", `${this.doing}: the peer left in the middle of the handshake`), false);
  }

  onClose(error: NetError | null): void {
    const isEarly = !this.#isOver;
    this.#end();
    if (this.#failure === null && isEarly) {
      const why = error === null ? "closed here" : "the peer left in the middle of the handshake";
      this.#failure = new TlsError("closed", `${this.doing}: ${why}`);
    }
    this.failed(this.#failure!);
  }

  stateOf(
    alpn: string,
    serverName: string,
    resumed: boolean,
    peer: X509Certificate | null,
    fault: string,
  ): TlsState {
    let facts: CertificateFacts | null = null;
    return {
      version: "1.3",
      cipher: "TLS_AES_128_GCM_SHA256",
      alpn,
      serverName,
      resumed,
      authorized: peer !== null && fault === "",
      authorizationError: fault,
      peer: () => (facts ??= peer === null ? null : certificateFacts(peer)),
    };
  }
}

// ---------------------------------------------------------------- the caller's side

export interface ClientEnds {
  opened(): SocketHandler | null;
  failed(error: TlsError): void;
}

export class ClientHandshake extends Handshake {
  readonly #tls: TlsClientOptions;
  readonly #ends: ClientEnds;
  #hello: ServerHello | null = null;

  constructor(socket: SimulatedSocket, clock: SimulatedClock, tls: TlsClientOptions, ends: ClientEnds) {
    super(socket, clock, tls.handshakeTimeoutMs);
    this.#tls = tls;
    this.#ends = ends;
  }

  onOpen(): void {
    const { serverName, alpn = null, sessions } = this.#tls;
    const kept = sessions?.take() ?? null;
    const session = kept === null ? null : (JSON.parse(new TextDecoder().decode(kept)) as Session);
    this.send({ serverName, alpn, session });
  }

  onMessage(message: unknown): void {
    if (this.#hello === null) this.#onHello(message as ServerHello);
    else this.#onFinished(message as ServerFinished);
  }

  #onHello(hello: ServerHello): void {
    this.#hello = hello;
    const fault = this.#fault(hello);
    const isNameOnly = this.#tls.verify === "chain" && fault === "ERR_TLS_CERT_ALTNAME_INVALID";
    if (fault !== "" && this.#tls.verify !== "none" && !isNameOnly) {
      return this.fail(new TlsError("untrusted-peer", `${this.doing}: ${fault}`), true);
    }
    const { certificate = null } = this.#tls.context.identity;
    this.send({ certificate: hello.wantsPeer ? certificate : null });
  }

  #fault(hello: ServerHello): string {
    const fault = chainFault(hello.certificate, this.#tls.context, this.clock.wallMs());
    if (fault !== "") return fault;
    const leaf = readCertificates("", hello.certificate)[0]!;
    const { serverName } = this.#tls;
    const isFor =
      isIP(serverName) === 0 ? leaf.checkHost(serverName) : leaf.checkIP(serverName);
    return isFor === undefined ? "ERR_TLS_CERT_ALTNAME_INVALID" : "";
  }

  #onFinished({ session }: ServerFinished): void {
    const owner = this.#ends.opened();
    if (owner === null) {
      this.socket.terminate();
      return;
    }
    const hello = this.#hello!;
    const leaf = readCertificates("", hello.certificate)[0]!;
    const { serverName } = this.#tls;
    const fault = this.#fault(hello);
    this.#tls.sessions?.keep(new TextEncoder().encode(JSON.stringify(session)));
    this.handOver(owner, this.stateOf(hello.alpn, serverName, hello.resumed, leaf, fault));
  }

  failed(error: TlsError): void {
    this.#ends.failed(error);
  }
}

// ---------------------------------------------------------------- the callee's side

export class ServerHandshake extends Handshake {
  readonly #tls: TlsServerOptions;
  readonly #owner: SocketHandler;
  #context: TlsContext | null = null;
  #hello: ClientHello | null = null;
  #alpn = "";
  #resumedPeer: string | null = null;
  #isResumed = false;
  /** What was sent is plain HTTP, and was answered. */
  #isAnswered = false;

  constructor(
    socket: SimulatedSocket,
    clock: SimulatedClock,
    tls: TlsServerOptions,
    owner: SocketHandler,
  ) {
    super(socket, clock, tls.handshakeTimeoutMs);
    this.#tls = tls;
    this.#owner = owner;
  }

  onOpen(): void {}

  override onPlaintext(bytes: Uint8Array): void {
    const { plaintextAnswer } = this.#tls;
    // A method: capital letters. A first byte alone is enough to tell.
    if (plaintextAnswer !== undefined && bytes[0]! >= 0x41 && bytes[0]! <= 0x5a) {
      // Read on until the caller leaves: closing with unread bytes would reset the connection.
      if (!this.#isAnswered) this.socket.sendWhole(plaintextAnswer);
      this.#isAnswered = true;
      this.socket.shutdown();
      return;
    }
    super.onPlaintext(bytes);
  }

  override onEnd(): void {
    if (this.#isAnswered) super.onPlaintext(new Uint8Array(1));
    else super.onEnd();
  }

  onMessage(message: unknown): void {
    if (this.#hello === null) this.#onHello(message as ClientHello);
    else this.#onFinished(message as ClientFinished);
  }

  #onHello(hello: ClientHello): void {
    this.#hello = hello;
    const name = isIP(hello.serverName) === 0 ? hello.serverName.toLowerCase() : "";
    this.#context = this.#tls.contextFor(name);
    if (this.#context === null) return this.fail(unknownName(hello.serverName), true);
    const { alpn } = this.#tls;
    if (alpn !== undefined && hello.alpn !== null) {
      const common = alpn.find((one) => hello.alpn!.includes(one));
      if (common === undefined) {
        const text = `${this.doing}: no common protocol (ALPN)`;
        return this.fail(new TlsError("no-common-alpn", text), true);
      }
      this.#alpn = common;
    }
    const { session } = hello;
    this.#isResumed = session !== null && session.context === this.#defaultId;
    this.#resumedPeer = this.#isResumed ? session!.peer : null;
    this.send({
      alpn: this.#alpn,
      certificate: this.#context.identity.certificate ?? "",
      wantsPeer: !this.#isResumed && (this.#tls.clientCertificate ?? "none") !== "none",
      resumed: this.#isResumed,
    });
  }

  get #defaultId(): number {
    return (this.#tls.contextFor("") as SimulatedTlsContext).id;
  }

  #onFinished({ certificate }: ClientFinished): void {
    const wish = this.#tls.clientCertificate ?? "none";
    const shown = this.#isResumed ? this.#resumedPeer : certificate;
    if (shown === null && wish === "require") {
      const text = `${this.doing}: the peer showed no certificate`;
      return this.fail(new TlsError("no-certificate", text), true);
    }
    const fault = shown === null ? "" : chainFault(shown, this.#context!, this.clock.wallMs());
    if (fault !== "") {
      return this.fail(new TlsError("untrusted-peer", `${this.doing}: ${fault}`), true);
    }
    this.send({ session: { context: this.#defaultId, peer: shown } });
    const peer = shown === null ? null : readCertificates("", shown)[0]!;
    const { serverName } = this.#hello!;
    this.handOver(this.#owner, this.stateOf(this.#alpn, serverName, this.#isResumed, peer, fault));
  }

  failed(error: TlsError): void {
    this.#owner.onClose(error);
  }
}

/** OpenSSL's code for what is wrong with a chain; empty where it is good. */
function chainFault(pem: string, context: TlsContext, wallMs: number): string {
  if (pem === "") return "UNABLE_TO_GET_ISSUER_CERT";
  const chain = readCertificates("", pem);
  const { ca } = context.identity;
  const roots = ca === undefined ? [] : readCertificates("", ca);
  let one = chain[0]!;
  for (let depth = 0; depth < 8; depth += 1) {
    if (Date.parse(one.validFrom) > wallMs) return "CERT_NOT_YET_VALID";
    if (Date.parse(one.validTo) < wallMs) return "CERT_HAS_EXPIRED";
    if (roots.some((root) => hasSigned(root, one))) return "";
    const issuer = chain.find((other) => other !== one && hasSigned(other, one));
    if (issuer === undefined) break;
    one = issuer;
  }
  return "UNABLE_TO_VERIFY_LEAF_SIGNATURE";
}

function hasSigned(issuer: X509Certificate, one: X509Certificate): boolean {
  return one.checkIssued(issuer) && one.verify(issuer.publicKey);
}
