import { lstatSync, realpathSync, unlinkSync, writeSync } from "node:fs";
import { isIP } from "node:net";
import { basename, dirname, join } from "node:path";
import { NetError, TlsError } from "../world.ts";
import type {
  Dial,
  DialHandler,
  Listener,
  ListenOptions,
  Net,
  PortHolder,
  ResolvedAddress,
  Socket,
  SocketAddress,
  SocketHandler,
  TlsClientOptions,
  TlsContext,
  TlsIdentity,
  TlsServerOptions,
  TlsState,
  UdpHandler,
  UdpOptions,
  UdpSocket,
} from "../world.ts";
import type { Dns } from "./dns.ts";
import { closeDescriptor, duplicateDescriptor } from "./libc.ts";
import { inUse, inWords, netError, outOfDescriptors, plainAddress } from "./net_error.ts";
import { holderOfPath } from "./port_holder.ts";
import {
  BunTlsContext,
  BunTlsState,
  HANDSHAKE_TIMEOUT_MS,
  isTlsFault,
  nativeClientOptions,
  nativeContextFor,
  nativeServerOptions,
  tlsError,
  untrusted,
  verifyCallee,
} from "./tls.ts";
import type { NativeContext, RawTlsFault, RawTlsSocket } from "./tls.ts";
import { openUdp } from "./udp.ts";
import type { Uncaught } from "./uncaught.ts";

/**
 * Bun cannot take back a connect: a dial that was aborted lives on until the kernel gives up (two
 * minutes for an unanswered SYN). So many of them at once, and no more dials until some have ended.
 */
const FORGOTTEN_DIALS_MAX = 1_024;

type RawSocket = Bun.Socket<BunSocket>;

/** Takes the place of an owner's handler once nothing may reach it any more. */
const NOBODY: DialHandler = {
  onOpen() {},
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
  onConnectError() {},
};

/**
 * One object a connection; Bun's socket holds it in `data`. Accepted or dialled, it has the same
 * shape, so that the shared events find its handler the same fast way.
 */
class BunSocket implements Socket {
  raw: RawSocket | null = null;
  /** Until it is open, where it was dialled. */
  dial: BunDial | null = null;
  handler: SocketHandler;
  /** A write was short: the owner waits for onDrain. */
  wasShort = false;
  peerEnded = false;
  /** By shutdown, close or terminate: no more writes. */
  weEnded = false;
  /** By close or terminate: the owner expects nothing more of the peer. */
  released = false;
  /** Null without TLS. */
  secure: Secure | null = null;
  closed = false;
  #remoteAddress: string | null = null;
  #localAddress: string | null = null;

  constructor(handler: SocketHandler) {
    this.handler = handler;
  }

  write(bytes: Uint8Array, start: number, length: number): number {
    if (this.closed || this.weEnded) return -1;
    // All three arguments: without the length Bun takes the whole buffer's and throws.
    const taken = this.raw!.write(bytes, start, length);
    if (taken < length) this.wasShort = true;
    return taken;
  }

  pause(): void {
    if (!this.closed) this.raw!.pause();
  }

  resume(): void {
    if (!this.closed) this.raw!.resume();
  }

  shutdown(): void {
    if (this.closed || this.weEnded) return;
    this.weEnded = true;
    // Both directions have ended: release it, as nothing else will.
    if (this.peerEnded) this.raw!.end();
    else this.raw!.shutdown();
  }

  close(): void {
    if (this.closed) return;
    this.weEnded = true;
    this.released = true;
    this.raw!.end();
  }

  terminate(): void {
    if (this.closed) return;
    this.weEnded = true;
    this.released = true;
    this.raw!.terminate();
  }

  // Read once and kept: Bun forgets them when the socket closes.
  get remoteAddress(): string {
    return (this.#remoteAddress ??= plainAddress(this.raw?.remoteAddress));
  }

  get remotePort(): number {
    return this.raw?.remotePort ?? 0;
  }

  get localAddress(): string {
    return (this.#localAddress ??= plainAddress(this.raw?.localAddress));
  }

  get localPort(): number {
    return this.raw?.localPort ?? 0;
  }

  get tls(): TlsState | null {
    return this.secure === null ? null : this.secure.state;
  }
}

/** What a socket has of TLS: first a handshake that is bounded in time, then its result. */
class Secure {
  state: BunTlsState | null = null;
  isHandshaking = true;
  /** Why the handshake, or later the connection, failed. */
  failure: TlsError | null = null;
  #timer: NodeJS.Timeout;

  constructor(
    socket: BunSocket,
    timeoutMs: number = HANDSHAKE_TIMEOUT_MS,
    /** Of a dial. */
    readonly client: TlsClientOptions | null = null,
  ) {
    this.#timer = setTimeout(() => {
      const { remoteAddress } = socket;
      const text = `no end within ${timeoutMs} ms`;
      this.failure = new TlsError("timeout", `the handshake with ${remoteAddress}: ${text}`);
      socket.terminate();
    }, timeoutMs);
  }

  /** False where it has ended before. */
  end(): boolean {
    if (!this.isHandshaking) return false;
    this.isHandshaking = false;
    clearTimeout(this.#timer);
    return true;
  }
}

/** Stands before an owner whose caller was refused: what the caller still sends does not pass. */
class Refused implements SocketHandler {
  readonly #owner: SocketHandler;

  constructor(owner: SocketHandler) {
    this.#owner = owner;
  }

  onOpen(): void {}
  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}

  onClose(error: NetError | null): void {
    this.#owner.onClose(error);
  }
}

class BunDial implements Dial {
  readonly socket: BunSocket;
  #net: BunNet;
  #handler: DialHandler;
  #state: "dialling" | "settled" | "forgotten" = "dialling";
  /** connect() has returned: the owner holds the dial and may hear of it. */
  returned = false;
  tls: TlsClientOptions | null = null;

  constructor(
    net: BunNet,
    readonly address: SocketAddress,
    handler: DialHandler,
  ) {
    this.#net = net;
    this.#handler = handler;
    this.socket = new BunSocket(handler);
    this.socket.dial = this;
  }

  abort(): void {
    if (this.#state !== "dialling") return;
    this.socket.handler = NOBODY;
    if (this.socket.raw !== null) {
      // In the middle of its handshake.
      this.#state = "settled";
      this.socket.terminate();
      return;
    }
    this.#state = "forgotten";
    this.#net.forgottenDials += 1;
  }

  get isForgotten(): boolean {
    return this.#state === "forgotten";
  }

  opened(): void {
    const { socket } = this;
    socket.dial = null;
    if (this.#settle()) socket.handler.onOpen(socket);
    else socket.terminate();
  }

  fail(error: NetError): void {
    if (!this.returned) {
      queueMicrotask(() => this.fail(error));
      return;
    }
    this.socket.closed = true;
    if (this.#settle()) this.#handler.onConnectError(error);
  }

  /** True where the owner still wants to hear of it. */
  #settle(): boolean {
    const isWanted = this.#state === "dialling";
    if (this.#state === "forgotten") this.#net.forgottenDials -= 1;
    this.#state = "settled";
    return isWanted;
  }
}

export class BunNet implements Net {
  forgottenDials = 0;
  #dns: Dns;
  #uncaught: Uncaught;
  #holderOfPort: (port: number) => PortHolder | null;
  #dialEvents: Bun.SocketHandler<BunSocket>;
  #tlsDialEvents: Bun.SocketHandler<BunSocket>;

  constructor(dns: Dns, uncaught: Uncaught, holderOfPort: (port: number) => PortHolder | null) {
    this.#dns = dns;
    this.#uncaught = uncaught;
    this.#holderOfPort = holderOfPort;
    this.#dialEvents = {
      ...this.#events(),
      open(raw) {
        raw.data.raw = raw;
        raw.data.dial!.opened();
      },
      connectError(raw, error) {
        const dial = raw.data.dial!;
        const cause = outOfDescriptors() ?? error;
        dial.fail(netError(cause, `connecting to ${inWords(dial.address)}`));
      },
    };
    this.#tlsDialEvents = { ...this.#dialEvents, ...tlsDialEvents(this.#uncaught) };
  }

  listen(options: ListenOptions, accept: (socket: Socket) => SocketHandler | null): Listener {
    const events: Bun.SocketHandler<BunSocket> = {
      ...this.#events(),
      open(raw) {
        const socket = new BunSocket(NOBODY);
        socket.raw = raw;
        raw.data = socket;
        const handler = accept(socket);
        if (handler === null) {
          socket.terminate();
          return;
        }
        socket.handler = handler;
        handler.onOpen(socket);
      },
    };
    const { address, tls } = options;
    if ("path" in address) {
      if (tls !== undefined) throw new Error("TLS on a unix socket is not offered");
      return this.#listenOnPath(address.path, options.mode, events);
    }
    if (tls !== undefined) return this.#listenWithTls(options, address, tls, accept);
    try {
      return new BunListener(
        Bun.listen<BunSocket>({
          hostname: address.host,
          port: address.port,
          reusePort: options.reusePort === true,
          allowHalfOpen: true,
          socket: events,
        } as Bun.TCPSocketListenOptions<BunSocket>),
      );
    } catch (error) {
      throw this.#listenError(error, address);
    }
  }

  #listenWithTls(
    { reusePort }: ListenOptions,
    address: { readonly host: string; readonly port: number },
    tls: TlsServerOptions,
    accept: (socket: Socket) => SocketHandler | null,
  ): Listener {
    const common = { ...this.#events(), ...tlsListenEvents(this.#uncaught) };
    // Before the address is taken, so that bad options leave nothing behind.
    nativeServerOptions(tls);
    try {
      return new BunTlsListener(common, accept, tls, {
        hostname: address.host,
        port: address.port,
        reusePort: reusePort === true,
      });
    } catch (error) {
      throw this.#listenError(error, address);
    }
  }

  #listenOnPath(
    path: string,
    mode: number | undefined,
    events: Bun.SocketHandler<BunSocket>,
  ): Listener {
    removeStaleSocket(path);
    // The file appears with its final bits, so nobody slips in before a chmod.
    const before = mode === undefined ? null : process.umask(~mode & 0o777);
    try {
      const options = { unix: path, allowHalfOpen: true, socket: events };
      return new BunListener(Bun.listen<BunSocket>(options));
    } catch (error) {
      throw this.#listenError(error, { path });
    } finally {
      if (before !== null) process.umask(before);
    }
  }

  tlsContext(identity: TlsIdentity): TlsContext {
    return new BunTlsContext(identity);
  }

  connect(address: SocketAddress, handler: DialHandler, tls?: TlsClientOptions): Dial {
    const dial = new BunDial(this, address, handler);
    const refusal = this.#refusal(address);
    if (refusal !== null) dial.fail(refusal);
    else this.#start(dial, tls);
    dial.returned = true;
    return dial;
  }

  #refusal(address: SocketAddress): NetError | null {
    if (this.forgottenDials >= FORGOTTEN_DIALS_MAX) {
      const text = `${FORGOTTEN_DIALS_MAX} connects that were given up are still unanswered`;
      return new NetError("too-many-open", text);
    }
    if ("host" in address && isIP(address.host) === 0) {
      const text = `connecting to ${inWords(address)}: "${address.host}" is not an IP address`;
      return new NetError("other", text);
    }
    return null;
  }

  #start(dial: BunDial, tls: TlsClientOptions | undefined): void {
    const { address } = dial;
    const where =
      "path" in address
        ? { unix: address.path }
        : { hostname: address.host, port: address.port };
    const common = { ...where, allowHalfOpen: true, data: dial.socket };
    const options =
      tls === undefined
        ? { ...common, socket: this.#dialEvents }
        : { ...common, socket: this.#tlsDialEvents, tls: nativeClientOptions(tls) };
    if (tls !== undefined) dial.tls = tls;
    try {
      // The promise only repeats what connectError says.
      Bun.connect<BunSocket>(options as Bun.TCPSocketConnectOptions<BunSocket>).catch(() => {});
    } catch (error) {
      // A port out of range and the like: Bun throws before it starts.
      dial.fail(netError(error, `connecting to ${inWords(address)}`));
    }
  }

  udp(options: UdpOptions, handler: UdpHandler): Promise<UdpSocket> {
    return openUdp(options, handler, this.#uncaught);
  }

  resolve(name: string): Promise<readonly ResolvedAddress[]> {
    return this.#dns.resolve(name);
  }

  /** The hot path: a handful of shared functions, one property to reach the owner. */
  #events(): Bun.SocketHandler<BunSocket> {
    const uncaught = this.#uncaught;
    return {
      binaryType: "uint8array",
      data(raw, bytes) {
        raw.data.handler.onData(bytes);
      },
      drain(raw) {
        const socket = raw.data;
        if (!socket.wasShort) return;
        socket.wasShort = false;
        socket.handler.onDrain();
      },
      end(raw) {
        const socket = raw.data;
        socket.peerEnded = true;
        socket.handler.onEnd();
        if (socket.weEnded && !socket.closed) raw.end();
      },
      close(raw, error) {
        const socket = raw.data;
        if (socket.closed) return;
        socket.closed = true;
        const { handler, secure } = socket;
        socket.handler = NOBODY;
        if (secure !== null) {
          closeSecure(socket, secure, handler, error);
          return;
        }
        // After a shutdown of ours Bun takes the peer's FIN for the close and leaves `end` out.
        const endIsDue = !error && !socket.peerEnded && !socket.released;
        socket.peerEnded = true;
        if (endIsDue) tellEnd(handler, uncaught);
        handler.onClose(error ? netError(error, "the connection") : null);
      },
      // Comes when a handler threw. Bun leaves the socket open, so it is closed here.
      error(raw, error) {
        uncaught.report(error);
        raw.data?.terminate();
      },
    };
  }

  #listenError(error: unknown, address: SocketAddress): NetError {
    const failure = netError(outOfDescriptors() ?? error, `listening on ${inWords(address)}`);
    if (failure.code !== "address-in-use" || !("port" in address)) return failure;
    return inUse(address, this.#holderOfPort(address.port));
  }
}

/** A handler that throws must still hear of the close. */
function tellEnd(handler: SocketHandler, uncaught: Uncaught): void {
  try {
    handler.onEnd();
  } catch (error) {
    uncaught.report(error);
  }
}

/** Rare enough to be apart: the plain close is on the hot path of short connections. */
function closeSecure(
  socket: BunSocket,
  secure: Secure,
  handler: SocketHandler,
  error: unknown,
): void {
  const doing = `the TLS handshake with ${socket.remoteAddress}`;
  const wasHandshaking = secure.end();
  if (wasHandshaking && !socket.released) secure.failure ??= tlsError(null, doing);
  const { failure } = secure;
  if (socket.dial !== null) {
    // A dial that was given up hears nothing of it.
    if (failure !== null) socket.dial.fail(failure);
    return;
  }
  if (failure === null && !error && !socket.peerEnded && !socket.released) handler.onEnd();
  socket.peerEnded = true;
  handler.onClose(failure ?? (error ? netError(error, "the connection") : null));
}

type TlsEvents = Partial<Bun.SocketHandler<BunSocket>>;

/** What callers' handshakes have besides the common events. */
function tlsListenEvents(uncaught: Uncaught): TlsEvents {
  return {
    error(raw, error) {
      tlsEventError(raw, error, uncaught);
    },
  };
}

/** Bun tells alerts here that come after a handshake; or a handler threw. */
function tlsEventError(raw: RawSocket, error: RawTlsFault & Error, uncaught: Uncaught): void {
  const socket = raw.data as BunSocket | undefined;
  if (socket?.secure && isTlsFault(error)) {
    socket.secure.failure ??= tlsError(error, `the TLS connection with ${socket.remoteAddress}`);
  } else {
    uncaught.report(error);
  }
  socket?.terminate();
}

function tlsDialEvents(uncaught: Uncaught): TlsEvents {
  const events = {
    open(raw: RawSocket) {
      const socket = raw.data;
      const dial = socket.dial!;
      socket.raw = raw;
      if (dial.isForgotten) {
        dial.opened();
        return;
      }
      const tls = dial.tls!;
      socket.secure = new Secure(socket, tls.handshakeTimeoutMs, tls);
      const session = tls.sessions?.take() ?? null;
      if (session !== null) tlsOf(raw).setSession(session);
    },
    handshake(raw: RawSocket, isDone: boolean, error: RawTlsFault | null) {
      const socket = raw.data;
      const { secure, dial } = socket;
      if (secure === null || dial === null || !secure.end()) return;
      const fault = error ?? null;
      const doing = `the TLS handshake with ${inWords(dial.address)}`;
      // A wrong name is told as a handshake that is not done.
      const isOurs = isDone || fault?.code === "ERR_TLS_CERT_ALTNAME_INVALID";
      const refusal = isOurs ? verifyCallee(secure.client!, fault) : null;
      if (!isOurs || refusal !== null) {
        dial.fail(refusal === null ? tlsError(fault, doing) : untrusted(refusal, doing));
        raw.terminate();
        return;
      }
      secure.state = new BunTlsState(tlsOf(raw), fault, true);
      dial.opened();
    },
    session(raw: RawSocket, session: Uint8Array) {
      raw.data.secure?.client?.sessions?.keep(session);
    },
    error(raw: RawSocket, error: RawTlsFault & Error) {
      tlsEventError(raw, error, uncaught);
    },
  };
  return events as TlsEvents;
}

function tlsOf(raw: RawSocket): RawTlsSocket {
  return raw as unknown as RawTlsSocket;
}

/**
 * TLS from the first byte on. A new default certificate needs a new native listener: it is made on a
 * duplicate of the descriptor, so that no caller finds the port closed. Others are chosen by name
 * for each handshake anyway.
 */
class BunTlsListener implements Listener {
  readonly port: number;
  #raw: Bun.TCPSocketListener<BunSocket>;
  #tls: TlsServerOptions;
  #native: Record<string, unknown>;
  readonly #events: Bun.SocketHandler<BunSocket>;
  #stopped = false;

  constructor(
    common: Bun.SocketHandler<BunSocket>,
    accept: (socket: Socket) => SocketHandler | null,
    tls: TlsServerOptions,
    where: object,
  ) {
    this.#tls = tls;
    this.#events = {
      ...common,
      open: (raw) => {
        const socket = new BunSocket(NOBODY);
        socket.raw = raw;
        raw.data = socket;
        const handler = accept(socket);
        if (handler === null) {
          socket.terminate();
          return;
        }
        socket.handler = handler;
        socket.secure = new Secure(socket, this.#tls.handshakeTimeoutMs);
      },
      handshake: (raw, isDone, error) => this.#handshake(raw, isDone, error),
      serverName: (_listener: unknown, name: string, raw: RawSocket) => this.#contextFor(name, raw),
    } as Bun.SocketHandler<BunSocket>;
    this.#native = nativeServerOptions(tls);
    this.#raw = this.#listen(where);
    this.port = this.#raw.port;
  }

  #listen(where: object): Bun.TCPSocketListener<BunSocket> {
    const options = { ...where, allowHalfOpen: true, tls: this.#native, socket: this.#events };
    return Bun.listen<BunSocket>(options as unknown as Bun.TCPSocketListenOptions<BunSocket>);
  }

  #contextFor(name: string, raw: RawSocket): NativeContext | undefined {
    try {
      return nativeContextFor(this.#tls, name.toLowerCase());
    } catch (error) {
      const { secure } = raw.data;
      if (!(error instanceof TlsError) || secure === null) throw error;
      secure.failure = error;
      raw.data.terminate();
      return undefined;
    }
  }

  #handshake(raw: RawSocket, isDone: boolean, error: RawTlsFault | null): void {
    const socket = raw.data;
    const { secure } = socket;
    if (secure === null || !secure.end()) return;
    const fault = error ?? null;
    const doing = `the TLS handshake with ${socket.remoteAddress}`;
    if (!isDone) {
      secure.failure ??= tlsError(fault, doing);
      this.#refuse(socket, secure.failure);
      return;
    }
    const wantsPeer = (this.#tls.clientCertificate ?? "none") !== "none";
    const state = new BunTlsState(tlsOf(raw), fault, wantsPeer);
    if (wantsPeer && !state.authorized && (state.authorizationError !== "" || this.#requires)) {
      secure.failure = untrusted(fault ?? {}, doing);
      this.#refuse(socket, secure.failure);
      return;
    }
    secure.state = state;
    socket.handler.onOpen(socket);
  }

  get #requires(): boolean {
    return this.#tls.clientCertificate === "require";
  }

  #refuse(socket: BunSocket, failure: TlsError): void {
    socket.handler = new Refused(socket.handler);
    const { plaintextAnswer } = this.#tls;
    if (plaintextAnswer !== undefined && failure.message.includes("HTTP_REQUEST")) {
      try {
        // Past TLS, which the caller does not speak; what a fresh socket does not take is lost.
        writeSync(tlsOf(socket.raw!).fd, plaintextAnswer);
      } catch {
        // It has left.
      }
    }
    // Not a reset: it could overtake the alert that says why.
    socket.close();
  }

  setTls(tls: TlsServerOptions): void {
    const native = nativeServerOptions(tls);
    const isSame = sameMembers(native, this.#native);
    this.#tls = tls;
    if (isSame || this.#stopped) return;
    this.#native = native;
    const descriptor = duplicateDescriptor((this.#raw as unknown as { readonly fd: number }).fd);
    if (descriptor < 0) throw netError(outOfDescriptors(), "replacing the default certificate");
    const old = this.#raw;
    try {
      this.#raw = this.#listen({ fd: descriptor });
    } catch (error) {
      closeDescriptor(descriptor);
      throw error;
    }
    old.stop();
  }

  stop(): void {
    this.#stopped = true;
    this.#raw.stop();
  }
}

/** The same contexts and flags; ALPN by its bytes. */
function sameMembers(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  return ["secureContext", "requestCert", "rejectUnauthorized", "ALPNProtocols"].every(
    (key) => a[key] === b[key] || String(a[key]) === String(b[key]) && key === "ALPNProtocols",
  );
}

class BunListener implements Listener {
  #raw: Bun.SocketListener<BunSocket>;
  readonly port: number;

  constructor(raw: Bun.SocketListener<BunSocket>) {
    this.#raw = raw;
    this.port = (raw as Partial<Bun.TCPSocketListener<BunSocket>>).port ?? 0;
  }

  stop(): void {
    this.#raw.stop();
  }

  setTls(): void {
    throw new Error("this listener has no TLS");
  }
}

/** A process that was killed leaves its socket's file, which would keep the next one out. */
function removeStaleSocket(path: string): void {
  try {
    if (!lstatSync(path).isSocket()) {
      throw new NetError("address-in-use", `${path} exists and is not a socket`);
    }
  } catch (error) {
    if (error instanceof NetError) throw error;
    return;
  }
  const holder = holderOfPath(path) ?? holderOfPath(realSocketPath(path));
  if (holder !== null) throw inUse({ path }, holder);
  if (process.platform === "linux") unlinkSync(path);
}

function realSocketPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}
