import type { Clock, Socket, SocketHandler, Timer } from "../../base/world.ts";
import { SyslogFrames } from "../../codec/syslog/frames.ts";
import type { FrameOptions } from "../../codec/syslog/frames.ts";
import type { EventBatch } from "../event_batch.ts";

/** What a connection hands its messages to. */
export interface MessageTaker {
  /** While false nothing may be emitted. */
  readonly isReady: boolean;
  batch(stream: string, path: string, chunk: Buffer, offset: number): EventBatch;
  add(batch: EventBatch, chunk: Buffer, start: number, end: number, peer: string): void;
  emit(batch: EventBatch): void;
  /** A message that came and cannot be emitted any more. */
  lost(): void;
  counted(counter: string, n: number): void;
  gone(connection: SyslogConnection, error: Error | null): void;
}

export interface ConnectionOptions {
  readonly frames: FrameOptions;
  readonly idleTimeoutMs: number;
  readonly stream: string;
  /** Empty on a unix socket. */
  readonly peer: string;
}

const NO_BYTES = Buffer.alloc(0);

/** One sender by TCP, TLS or a unix socket; it waits while sinks push back. */
export class SyslogConnection implements SocketHandler {
  readonly #owner: MessageTaker;
  readonly #clock: Clock;
  readonly #options: ConnectionOptions;
  readonly #frames: SyslogFrames;
  #socket: Socket | null = null;
  #offset = 0;
  #long = 0;
  #paused = false;
  /** Bytes came after the output was full: messages of them wait. */
  #behind = false;
  #ended = false;
  #closed = false;
  #error: Error | null = null;
  #isGone = false;
  #heardAtMs: number;
  #idle: Timer;

  constructor(owner: MessageTaker, clock: Clock, options: ConnectionOptions) {
    this.#owner = owner;
    this.#clock = clock;
    this.#options = options;
    this.#frames = new SyslogFrames(options.frames);
    this.#heardAtMs = clock.now();
    this.#idle = clock.after(options.idleTimeoutMs, () => this.#lookIdle());
  }

  get heldBytes(): number {
    return this.#frames.heldBytes;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (!this.#closed) this.#socket?.pause();
  }

  /** The output is ready again. */
  resume(): void {
    if (!this.#paused) return;
    if (this.#behind) this.#take(NO_BYTES);
    if (!this.#owner.isReady) return;
    this.#paused = false;
    if (!this.#closed) this.#socket?.resume();
    this.#settle();
  }

  /** What came and was not handed on is lost with its connection, and counted. */
  stop(): void {
    this.#frames.join(NO_BYTES);
    while (this.#frames.next()) this.#owner.lost();
    if (this.#frames.finish()) this.#owner.lost();
    this.#frames.release();
    this.#behind = false;
    this.#ended = false;
    if (!this.#closed) this.#socket?.close();
    this.#leave();
  }

  onOpen(socket: Socket): void {
    this.#socket = socket;
    if (this.#paused || !this.#owner.isReady) this.pause();
  }

  onData(bytes: Uint8Array): void {
    this.#heardAtMs = this.#clock.now();
    this.#take(bytes);
  }

  onDrain(): void {}

  onEnd(): void {
    this.#ended = true;
    this.#settle();
    this.#socket?.close();
  }

  onClose(error: Error | null): void {
    this.#closed = true;
    this.#ended = true;
    this.#error = error;
    this.#idle.cancel();
    this.#settle();
  }

  #take(bytes: Uint8Array): void {
    const frames = this.#frames;
    const chunk = frames.join(bytes);
    if (!this.#owner.isReady) {
      this.#behind = true;
      frames.release();
      return this.pause();
    }
    this.#behind = false;
    const { stream, peer } = this.#options;
    const batch = this.#owner.batch(stream, peer, chunk, this.#offset);
    while (frames.next()) this.#owner.add(batch, chunk, frames.start, frames.end, peer);
    const left = frames.heldBytes;
    frames.release();
    // A batch of fields has places of its own; either way they never overlap.
    this.#offset += Math.max(chunk.length - left, batch.fieldBytes);
    if (frames.long > this.#long) this.#owner.counted("long_messages", frames.long - this.#long);
    this.#long = frames.long;
    if (frames.isBroken) {
      this.#owner.counted("framing_errors", 1);
      this.#socket?.terminate();
    }
    this.#owner.emit(batch);
  }

  /** The sender is gone: once all is handed on, what it left unfinished is a message too. */
  #settle(): void {
    if (!this.#ended || this.#behind || this.#isGone) return;
    if (this.heldBytes > 0) {
      if (!this.#owner.isReady) return this.pause();
      const chunk = this.#frames.join(NO_BYTES);
      const { stream, peer } = this.#options;
      const batch = this.#owner.batch(stream, peer, chunk, this.#offset);
      if (this.#frames.finish()) {
        this.#owner.add(batch, chunk, this.#frames.start, this.#frames.end, peer);
      }
      this.#offset += Math.max(chunk.length, batch.fieldBytes);
      this.#owner.emit(batch);
    }
    if (this.#closed) this.#leave();
  }

  #leave(): void {
    this.#idle.cancel();
    if (this.#isGone) return;
    this.#isGone = true;
    this.#owner.gone(this, this.#error);
  }

  #lookIdle(): void {
    const quietMs = this.#clock.now() - this.#heardAtMs;
    // Held back by us, it cannot send.
    const leftMs = this.#paused ? this.#options.idleTimeoutMs : this.#options.idleTimeoutMs - quietMs;
    if (leftMs > 0) {
      this.#idle = this.#clock.after(leftMs, () => this.#lookIdle());
      return;
    }
    this.#owner.counted("idle_closed", 1);
    this.#socket?.close();
  }
}
