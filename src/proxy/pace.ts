import type { Timer } from "../base/world.ts";
import type { BodyPart, Stream } from "./stream.ts";

/** Bytes go out in portions of so much of a second, and at least one. */
const PORTION_MS = 50;

/**
 * Lets an answer's body out at a rate: a token bucket that holds one portion. While it waits the
 * stream's answer is held, as a filter's promise would hold it: the upstream is paused, and what it
 * had sent until then comes behind, body before trailers before end; and while the caller does not
 * read nothing goes out. So no more is kept than what one read of the socket brings.
 */
export class Pace {
  readonly #stream: Stream;
  readonly #bytesPerMs: number;
  readonly #portion: number;
  #tokens: number;
  #atMs: number;
  /** The rest of the slice in hand. */
  #rest: BodyPart | null = null;
  #timer: Timer | null = null;
  readonly #release: (stream: Stream) => void;

  /** `release` goes on with what came while the answer was held. */
  constructor(stream: Stream, bytesPerSecond: number, release: (stream: Stream) => void) {
    this.#stream = stream;
    this.#release = release;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#portion = Math.max(1, Math.floor(this.#bytesPerMs * PORTION_MS));
    this.#tokens = this.#portion;
    this.#atMs = stream.context.clock.now();
  }

  /** Sends what it may of a slice that no filter touches any more, the rest later. */
  send(bytes: Uint8Array, start: number, end: number): void {
    const stream = this.#stream;
    const now = stream.context.clock.now();
    this.#tokens = Math.min(this.#portion, this.#tokens + (now - this.#atMs) * this.#bytesPerMs);
    this.#atMs = now;
    const cut = Math.min(end, start + Math.floor(this.#tokens));
    if (cut > start) {
      this.#tokens -= cut - start;
      if (stream.idleTimeout.list !== null) stream.touch();
      if (!stream.downstream.sendBody(bytes, start, cut)) stream.connection?.pauseResponse();
    }
    if (cut === end) return;
    this.#rest = { bytes, start: cut, end };
    stream.responseHeld = true;
    stream.connection?.pauseResponse();
    const missing = Math.min(this.#portion, end - cut) - this.#tokens;
    this.#timer = stream.context.clock.after(Math.ceil(missing / this.#bytesPerMs), this.#goOn);
  }

  #goOn = (): void => {
    this.#timer = null;
    const stream = this.#stream;
    if (stream.downstream.isBlocked) {
      this.#timer = stream.context.clock.after(PORTION_MS, this.#goOn);
      return;
    }
    const { bytes, start, end } = this.#rest!;
    this.#rest = null;
    stream.responseHeld = false;
    this.send(bytes, start, end);
    if (!stream.responseHeld) this.#release(stream);
    stream.context.scratch.flush();
  };

  /** The stream is over. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#rest = null;
  }
}
