import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { certificateFacts, readIdentity } from "../certificate.ts";
import { TlsError } from "../world.ts";
import type {
  CertificateFacts,
  TlsClientOptions,
  TlsContext,
  TlsFailure,
  TlsIdentity,
  TlsServerOptions,
  TlsState,
  TlsVersion,
} from "../world.ts";

/** Everything that Bun's sockets have of TLS and its types do not tell stands in this file. */

/**
 * Forward secrecy and authenticated encryption only: Mozilla's "intermediate" list without DHE. The
 * suites of TLS 1.3 are fixed.
 */
const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Bun's native context: opaque. */
export type NativeContext = { readonly native: unique symbol };
type ClientCertificate = NonNullable<TlsServerOptions["clientCertificate"]>;

/**
 * BoringSSL takes version and verification of a handshake from the context that the listener began
 * with, not from the one that the name chose: so a context is made for each way it is used, once.
 */
export class BunTlsContext implements TlsContext {
  readonly certificate: CertificateFacts | null;
  readonly #natives = new Map<string, NativeContext>();

  /** @throws TlsError `bad-identity`. */
  constructor(readonly identity: TlsIdentity) {
    this.certificate = readIdentity(identity);
    // What BoringSSL alone finds fault with is to be told now as well.
    this.native("1.2", "none");
  }

  native(minVersion: TlsVersion, clientCertificate: ClientCertificate): NativeContext {
    const way = `${minVersion} ${clientCertificate}`;
    let native = this.#natives.get(way);
    if (native === undefined) {
      native = this.#make(minVersion, clientCertificate);
      this.#natives.set(way, native);
    }
    return native;
  }

  #make(minVersion: TlsVersion, clientCertificate: ClientCertificate): NativeContext {
    const { certificate, key, ca } = this.identity;
    try {
      const { context } = createSecureContext({
        ...(certificate === undefined ? {} : { cert: certificate, key }),
        ...(ca === undefined ? {} : { ca }),
        ciphers: CIPHERS,
        minVersion: `TLSv${minVersion}`,
        requestCert: clientCertificate !== "none",
        rejectUnauthorized: clientCertificate === "require",
      } as Parameters<typeof createSecureContext>[0]);
      return context as NativeContext;
    } catch (error) {
      throw new TlsError("bad-identity", `OpenSSL refuses it: ${(error as Error).message}`);
    }
  }
}

/** Members of Bun's TLS sockets, in its types and not. */
export interface RawTlsSocket {
  readonly fd: number;
  readonly authorized: boolean;
  readonly alpnProtocol: string | false | null;
  getTLSVersion(): string;
  getCipher(): { readonly name: string | null };
  getServername(): string | undefined;
  isSessionReused(): boolean;
  getPeerX509Certificate(): X509Certificate | undefined;
  setSession(session: Uint8Array): void;
}

/** What Bun tells of a failed handshake or verification. */
export interface RawTlsFault {
  readonly code?: string;
  readonly message?: string;
}

/** The members of `tls` in Bun.listen. */
export interface NativeServerOptions {
  readonly secureContext: NativeContext;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
  readonly ALPNProtocols?: Buffer;
}

export function nativeServerOptions(tls: TlsServerOptions): NativeServerOptions {
  const wish = tls.clientCertificate ?? "none";
  return {
    secureContext: nativeContextFor(tls, ""),
    requestCert: wish !== "none",
    rejectUnauthorized: wish === "require",
    ...(tls.alpn === undefined ? {} : { ALPNProtocols: wireAlpn(tls.alpn) }),
  };
}

/** @throws TlsError `unknown-name` where nobody is to be served by that name. */
export function nativeContextFor(tls: TlsServerOptions, serverName: string): NativeContext {
  const context = tls.contextFor(serverName);
  if (context === null) {
    const name = serverName === "" ? "callers that name no server" : `"${serverName}"`;
    throw new TlsError("unknown-name", `there is no certificate for ${name}`);
  }
  return nativeOf(context, tls.minVersion, tls.clientCertificate);
}

function nativeOf(
  context: TlsContext,
  minVersion: TlsVersion | undefined,
  clientCertificate: ClientCertificate | undefined,
): NativeContext {
  if (!(context instanceof BunTlsContext)) throw new Error("a TlsContext of another world");
  return context.native(minVersion ?? "1.2", clientCertificate ?? "none");
}

/** The member `tls` of Bun.connect. We decide in the handshake, so nothing is rejected natively. */
export function nativeClientOptions(tls: TlsClientOptions): Record<string, unknown> {
  return {
    secureContext: nativeOf(tls.context, tls.minVersion, "none"),
    serverName: tls.serverName,
    rejectUnauthorized: false,
    ...(tls.alpn === undefined ? {} : { ALPNProtocols: wireAlpn(tls.alpn) }),
  };
}

/** Length and name, one after the other (RFC 7301, 3.1); Bun takes a plain text and ignores it. */
function wireAlpn(names: readonly string[]): Buffer {
  return Buffer.concat(names.map((name) => Buffer.from([name.length, ...Buffer.from(name)])));
}

/** Read when the handshake ends: Bun forgets most of it when the socket closes. */
export class BunTlsState implements TlsState {
  readonly version: TlsVersion;
  readonly cipher: string;
  readonly alpn: string;
  readonly serverName: string;
  readonly resumed: boolean;
  readonly authorized: boolean;
  readonly authorizationError: string;
  #peer: X509Certificate | null;
  #facts: CertificateFacts | null = null;

  constructor(raw: RawTlsSocket, fault: RawTlsFault | null, showsPeer: boolean) {
    this.version = raw.getTLSVersion() === "TLSv1.3" ? "1.3" : "1.2";
    this.cipher = raw.getCipher().name ?? "";
    this.alpn = raw.alpnProtocol || "";
    this.serverName = raw.getServername() ?? "";
    this.resumed = raw.isSessionReused();
    this.#peer = showsPeer ? (raw.getPeerX509Certificate() ?? null) : null;
    this.authorized = this.#peer !== null && !fault && raw.authorized;
    // Bun has an error for a peer without a certificate too.
    this.authorizationError = this.#peer === null ? "" : (fault?.code ?? "");
  }

  peer(): CertificateFacts | null {
    if (this.#peer !== null) {
      this.#facts = certificateFacts(this.#peer);
      this.#peer = null;
    }
    return this.#facts;
  }
}

/** BoringSSL's names for what went wrong, in the order in which they are looked for. */
const FAILURES: readonly (readonly [name: string, failure: TlsFailure, text: string])[] = [
  ["HTTP_REQUEST", "not-tls", "HTTP without TLS was sent to a port with TLS"],
  ["HTTPS_PROXY_REQUEST", "not-tls", "HTTP without TLS was sent to a port with TLS"],
  ["WRONG_VERSION_NUMBER", "not-tls", "what was sent is not TLS"],
  ["UNSUPPORTED_PROTOCOL", "no-common-version", "no common version of TLS"],
  ["ALERT_PROTOCOL_VERSION", "no-common-version", "no common version of TLS"],
  ["NO_SHARED_CIPHER", "no-common-cipher", "no common cipher"],
  ["NO_SHARED_GROUP", "no-common-cipher", "no common key exchange group"],
  ["NO_COMMON_SIGNATURE_ALGORITHMS", "no-common-cipher", "no common signature algorithm"],
  ["ALERT_HANDSHAKE_FAILURE", "no-common-cipher", "the peer found nothing in common"],
  ["NO_APPLICATION_PROTOCOL", "no-common-alpn", "no common protocol (ALPN)"],
  ["UNRECOGNIZED_NAME", "unknown-name", "the peer does not serve that name"],
  ["PEER_DID_NOT_RETURN_A_CERTIFICATE", "no-certificate", "the peer showed no certificate"],
  ["CERTIFICATE_VERIFY_FAILED", "untrusted-peer", "the peer's certificate is not trusted"],
  ["ALERT_CERTIFICATE_REQUIRED", "refused-by-peer", "the peer requires a certificate"],
  ["ALERT_", "refused-by-peer", "the peer refused"],
];

/** A handshake that failed, or an alert that came later. */
export function tlsError(fault: RawTlsFault | null | undefined, doing: string): TlsError {
  const message = fault?.message ?? "";
  const name = message.slice(message.lastIndexOf(":") + 1).trim();
  if (fault?.code === "EPROTO") {
    const known = FAILURES.find(([part]) => name.includes(part));
    if (known !== undefined) return new TlsError(known[1], `${doing}: ${known[2]} (${name})`);
    // The rest are records that make no sense.
    return new TlsError("other", `${doing}: ${name}`);
  }
  if (fault?.code === "ECONNRESET" || fault === null || fault === undefined) {
    return new TlsError("closed", `${doing}: the peer left in the middle of the handshake`);
  }
  return untrusted(fault, doing);
}

export function isTlsFault(fault: RawTlsFault): boolean {
  return fault.code === "EPROTO";
}

export function untrusted(fault: RawTlsFault, doing: string): TlsError {
  const why = fault.message ?? "not verified";
  return new TlsError("untrusted-peer", `${doing}: ${why} (${fault.code ?? "unknown"})`);
}

/** Why a callee is not to be trusted, or null where it is. */
export function verifyCallee(tls: TlsClientOptions, fault: RawTlsFault | null): RawTlsFault | null {
  if (!fault || tls.verify === "none") return null;
  // A bad chain is reported before a wrong name, so this code says that the chain is good.
  if (tls.verify === "chain" && fault.code === "ERR_TLS_CERT_ALTNAME_INVALID") return null;
  return fault;
}
