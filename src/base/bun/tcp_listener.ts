import { writeSync } from "node:fs";
import { TlsError } from "../world.ts";
import type { Listener, Socket, SocketHandler, TlsServerOptions } from "../world.ts";
import { closeDescriptor, duplicateDescriptor } from "./libc.ts";
import { netError, outOfDescriptors } from "./net_error.ts";
import { BunSocket, NOBODY, Refused, Secure } from "./socket.ts";
import type { RawSocket } from "./socket.ts";
import { BunTlsState, nativeContextFor, nativeServerOptions, tlsError, untrusted } from "./tls.ts";
import type { NativeContext, NativeServerOptions, RawTlsFault } from "./tls.ts";
import { tlsListenEvents, tlsOf } from "./tls_socket.ts";
import type { Uncaught } from "./uncaught.ts";

/**
 * A TCP port, with TLS from the first byte on or without. A new default certificate needs a new
 * native listener: it is made on a duplicate of the descriptor, so that no caller finds the port
 * closed. Other certificates are chosen by name for each handshake anyway.
 */
export class BunTcpListener implements Listener {
  readonly port: number;
  /** One, or more where several were inherited. */
  #raws: readonly Bun.TCPSocketListener<BunSocket>[];
  #tls: TlsServerOptions | null;
  #native: NativeServerOptions | null;
  readonly #plainEvents: Bun.SocketHandler<BunSocket>;
  readonly #tlsEvents: Bun.SocketHandler<BunSocket>;
  /** For who keeps count of it. */
  whenStopped: () => void = () => {};
  #stopped = false;

  /** @throws what Bun.listen throws. */
  constructor(
    plainEvents: Bun.SocketHandler<BunSocket>,
    accept: (socket: Socket) => SocketHandler | null,
    tls: TlsServerOptions | null,
    places: readonly object[],
    uncaught: Uncaught,
  ) {
    this.#tls = tls;
    this.#native = tls === null ? null : nativeServerOptions(tls);
    this.#plainEvents = plainEvents;
    this.#tlsEvents = {
      ...plainEvents,
      ...tlsListenEvents(uncaught),
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
        socket.secure = new Secure(socket, this.#tls?.handshakeTimeoutMs);
      },
      handshake: (raw, isDone, error) => this.#handshake(raw, isDone, error),
      serverName: (_listener: unknown, name: string, raw: RawSocket) => this.#contextFor(name, raw),
    } as Bun.SocketHandler<BunSocket>;
    this.#raws = places.map((where) => this.#listen(where));
    this.port = this.#raws[0]!.port;
  }

  get descriptors(): number[] {
    return this.#raws.map(descriptorOf);
  }

  #listen(where: object): Bun.TCPSocketListener<BunSocket> {
    const common = { ...where, allowHalfOpen: true };
    const options =
      this.#native === null
        ? { ...common, socket: this.#plainEvents }
        : { ...common, socket: this.#tlsEvents, tls: this.#native };
    return Bun.listen<BunSocket>(options as unknown as Bun.TCPSocketListenOptions<BunSocket>);
  }

  #contextFor(name: string, raw: RawSocket): NativeContext | undefined {
    const tls = this.#tls;
    // Plain by now: it ends as it began, with the context of then.
    if (tls === null) return undefined;
    try {
      return nativeContextFor(tls, name.toLowerCase());
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
    const wish = this.#tls?.clientCertificate ?? "none";
    const state = new BunTlsState(tlsOf(raw), fault, wish !== "none");
    const isBad = state.authorizationError !== "" || wish === "require";
    if (wish !== "none" && !state.authorized && isBad) {
      secure.failure = untrusted(fault ?? {}, doing);
      this.#refuse(socket, secure.failure);
      return;
    }
    secure.state = state;
    socket.handler.onOpen(socket);
  }

  #refuse(socket: BunSocket, failure: TlsError): void {
    socket.handler = new Refused(socket.handler);
    const answer = this.#tls?.plaintextAnswer;
    if (answer !== undefined && failure.message.includes("HTTP_REQUEST")) {
      try {
        // Past TLS, which the caller does not speak; what a fresh socket does not take is lost.
        writeSync(tlsOf(socket.raw!).fd, answer);
      } catch {
        // It has left.
      }
    }
    // Not a reset: it could overtake the alert that says why.
    socket.close();
  }

  setTls(tls: TlsServerOptions | null): void {
    const native = tls === null ? null : nativeServerOptions(tls);
    const isSame = sameOptions(native, this.#native);
    this.#tls = tls;
    if (isSame || this.#stopped) return;
    this.#native = native;
    const before = this.#raws;
    this.#raws = before.map((raw) => this.#again(raw));
    for (const raw of before) raw.stop();
  }

  /** The same socket under another descriptor, with the options of now. */
  #again(raw: Bun.TCPSocketListener<BunSocket>): Bun.TCPSocketListener<BunSocket> {
    const descriptor = duplicateDescriptor(descriptorOf(raw));
    if (descriptor < 0) throw netError(outOfDescriptors(), "changing the TLS of a listener");
    try {
      return this.#listen({ fd: descriptor });
    } catch (error) {
      closeDescriptor(descriptor);
      throw error;
    }
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const raw of this.#raws) raw.stop();
    this.whenStopped();
  }
}

function descriptorOf(raw: Bun.TCPSocketListener<BunSocket>): number {
  return (raw as unknown as { readonly fd: number }).fd;
}

/** The same context and flags; ALPN by its bytes. */
function sameOptions(a: NativeServerOptions | null, b: NativeServerOptions | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.secureContext === b.secureContext &&
    a.requestCert === b.requestCert &&
    a.rejectUnauthorized === b.rejectUnauthorized &&
    String(a.ALPNProtocols) === String(b.ALPNProtocols)
  );
}
