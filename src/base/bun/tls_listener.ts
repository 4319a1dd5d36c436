import { writeSync } from "node:fs";
import { TlsError } from "../world.ts";
import type { Listener, Socket, SocketHandler, TlsServerOptions } from "../world.ts";
import { closeDescriptor, duplicateDescriptor } from "./libc.ts";
import { netError, outOfDescriptors } from "./net_error.ts";
import { BunSocket, NOBODY, Refused, Secure } from "./socket.ts";
import type { RawSocket } from "./socket.ts";
import { BunTlsState, nativeContextFor, nativeServerOptions, tlsError, untrusted } from "./tls.ts";
import type { NativeContext, RawTlsFault } from "./tls.ts";
import { tlsOf } from "./tls_socket.ts";

/**
 * TLS from the first byte on. A new default certificate needs a new native listener: it is made on a
 * duplicate of the descriptor, so that no caller finds the port closed. Others are chosen by name
 * for each handshake anyway.
 */
export class BunTlsListener implements Listener {
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
