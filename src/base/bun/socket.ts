import { TlsError } from "../world.ts";
import type {
  Dial,
  DialHandler,
  NetError,
  Socket,
  SocketAddress,
  SocketHandler,
  TlsClientOptions,
  TlsState,
} from "../world.ts";
import { plainAddress } from "./net_error.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./tls.ts";
import type { BunTlsState } from "./tls.ts";

export type RawSocket = Bun.Socket<BunSocket>;

/** Takes the place of an owner's handler once nothing may reach it any more. */
export const NOBODY: DialHandler = {
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
export class BunSocket implements Socket {
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
export class Secure {
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
    // Read now, for a text that is needed when the socket has closed.
    void socket.remoteAddress;
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
export class Refused implements SocketHandler {
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

/** Counts dials that nobody waits for any more. */
interface Forgetful {
  forgottenDials: number;
}

export class BunDial implements Dial {
  readonly socket: BunSocket;
  #net: Forgetful;
  #handler: DialHandler;
  #state: "dialling" | "settled" | "forgotten" = "dialling";
  /** connect() has returned: the owner holds the dial and may hear of it. */
  returned = false;
  tls: TlsClientOptions | null = null;

  constructor(
    net: Forgetful,
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
      // Not a microtask: Bun may run those before the connect returns, again and again.
      setImmediate(() => this.fail(error));
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
