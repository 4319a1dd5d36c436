import type { Socket } from "../base/world.ts";

/** Bytes on their way into a socket that takes what it can: keeps the rest, in order. */
export class ByteSender {
  #socket: Socket | null = null;
  #queue: Uint8Array[] = [];
  #offset = 0;
  #queuedBytes = 0;
  #whenEmpty: (() => void) | null = null;

  attach(socket: Socket): void {
    this.#socket = socket;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  send(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queue.length === 1) this.flush();
  }

  /** Call it from `onDrain` too. */
  flush(): void {
    const socket = this.#socket;
    if (socket === null) return;
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const took = socket.write(first, this.#offset, first.length - this.#offset);
      // Closed (-1): onClose follows.
      if (took <= 0) return;
      this.#queuedBytes -= took;
      this.#offset += took;
      if (this.#offset < first.length) return;
      this.#queue.shift();
      this.#offset = 0;
    }
    const run = this.#whenEmpty;
    this.#whenEmpty = null;
    run?.();
  }

  /** What waits is not sent any more. */
  clear(): void {
    this.#queue = [];
    this.#offset = 0;
    this.#queuedBytes = 0;
  }

  /** Runs once everything has been taken; at once where nothing waits. */
  whenEmpty(run: () => void): void {
    if (this.#queuedBytes === 0) run();
    else this.#whenEmpty = run;
  }
}
