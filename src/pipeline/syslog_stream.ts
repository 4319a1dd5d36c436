import type { Dial, DialHandler, Socket, Timer, TlsContext, World } from "../base/world.ts";
import type { SocketAddress } from "../base/world.ts";
import type { Sent } from "./sender.ts";

export interface SyslogStreamOptions {
  /** Rejects where the name has no address. */
  readonly address: () => Promise<SocketAddress>;
  readonly tls: { readonly context: TlsContext; readonly serverName: string } | null;
  /** A receiver of syslog answers nothing: so long its connection has to stand for a delivery. */
  readonly settleMs: number;
  /** A peer that takes nothing for so long is given up. */
  readonly stallMs: number;
}

interface Entry {
  readonly bytes: Buffer;
  readonly end: (sent: Sent) => void;
  /** How much of it the system took. */
  taken: number;
}

const DELIVERED: Sent = { kind: "delivered" };

/**
 * One connection on which messages are written in order. What was written when it breaks within
 * `settleMs` is to be sent again: the peer has most likely not read it.
 */
export class SyslogStream implements DialHandler {
  #world: World;
  #options: SyslogStreamOptions;
  #dial: Dial | null = null;
  #socket: Socket | null = null;
  #isConnecting = false;
  /** Not wholly taken by the system, in order. */
  #waiting: Entry[] = [];
  /** Taken, and not settled. */
  #settling = new Map<Entry, Timer>();
  #stall: Timer | null = null;
  #closed = false;

  constructor(world: World, options: SyslogStreamOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Never rejects. */
  send(bytes: Buffer): Promise<Sent> {
    return new Promise((end) => {
      this.#waiting.push({ bytes, end, taken: 0 });
      if (this.#socket !== null) this.#write();
      else if (!this.#isConnecting) void this.#connect();
    });
  }

  close(): void {
    this.#closed = true;
    this.#dial?.abort();
    this.#break("closed");
  }

  async #connect(): Promise<void> {
    this.#isConnecting = true;
    this.#expectProgress();
    const { address, tls } = this.#options;
    try {
      const to = await address();
      if (this.#closed || !this.#isConnecting) return;
      this.#dial = this.#world.net.connect(to, this, tls ?? undefined);
    } catch (error) {
      this.#break(error instanceof Error ? error.message : String(error));
    }
  }

  onOpen(socket: Socket): void {
    this.#isConnecting = false;
    this.#socket = socket;
    this.#write();
  }

  onConnectError(error: Error): void {
    this.#break(error.message);
  }

  /** Nothing is expected; who answers is not listened to. */
  onData(): void {}

  onDrain(): void {
    this.#write();
  }

  onEnd(): void {
    this.#break("the other side closed the connection");
  }

  onClose(error: Error | null): void {
    if (this.#socket === null) return;
    this.#socket = null;
    this.#break(error?.message ?? "the connection was closed");
  }

  #write(): void {
    const socket = this.#socket;
    while (socket !== null && this.#socket === socket && this.#waiting.length > 0) {
      const entry = this.#waiting[0]!;
      const left = entry.bytes.length - entry.taken;
      const took = socket.write(entry.bytes, entry.taken, left);
      if (took < 0) return this.#break("the connection was closed");
      entry.taken += took;
      if (took > 0) this.#expectProgress();
      if (took < left) return;
      this.#waiting.shift();
      this.#settle(entry);
    }
    this.#stall?.cancel();
    this.#stall = null;
  }

  #settle(entry: Entry): void {
    const timer = this.#world.clock.after(this.#options.settleMs, () => {
      this.#settling.delete(entry);
      entry.end(DELIVERED);
    });
    this.#settling.set(entry, timer);
  }

  #expectProgress(): void {
    this.#stall?.cancel();
    const { stallMs } = this.#options;
    this.#stall = this.#world.clock.after(stallMs, () => {
      this.#break(`nothing was taken within ${stallMs} ms`);
    });
  }

  /** All that is under way has to be sent again. */
  #break(reason: string): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#isConnecting = false;
    this.#dial?.abort();
    this.#dial = null;
    this.#stall?.cancel();
    this.#stall = null;
    // A reset would take back what the peer has not read yet.
    if (this.#waiting.length === 0) socket?.close();
    else socket?.terminate();
    for (const timer of this.#settling.values()) timer.cancel();
    // In the order in which they were sent.
    const all = [...this.#settling.keys(), ...this.#waiting];
    this.#settling.clear();
    this.#waiting = [];
    for (const { end } of all) end({ kind: "retry", reason });
  }
}
