import type { DeadLetters } from "./dead_letters.ts";
import type { Parts, RunningSource } from "./parts.ts";

export interface BackpressureOptions {
  /** Bytes of one source that are read and not acknowledged. */
  readonly maxInFlightBytes: number;
  /** False while a pipeline starts, changes or stops: no source is asked to read. */
  readonly isOpen: () => boolean;
}

/** Which source may read, and which waits for a sink, for the dead letters, or for its own bound. */
export class Backpressure {
  #parts: Parts;
  #deadLetters: DeadLetters;
  #options: BackpressureOptions;

  constructor(parts: Parts, deadLetters: DeadLetters, options: BackpressureOptions) {
    this.#parts = parts;
    this.#deadLetters = deadLetters;
    this.#options = options;
  }

  isReady(running: RunningSource): boolean {
    const ready = this.#options.isOpen() && this.#hasRoom(running, 1);
    if (!ready) this.#wait(running);
    return ready;
  }

  /** At half of the bound, so that the source goes on in large pieces. */
  resume(running: RunningSource): void {
    if (!this.#options.isOpen() || !this.#hasRoom(running, 0.5)) return;
    running.isWaiting = false;
    running.source.resume();
  }

  resumeAll(): void {
    for (const running of this.#parts.sources) {
      if (running.isWaiting) this.resume(running);
    }
  }

  #wait(running: RunningSource): void {
    running.isWaiting = true;
    if (running.openBytes < this.#options.maxInFlightBytes) return;
    for (const { disk } of running.sinks) disk?.relieve();
  }

  #hasRoom(running: RunningSource, share: number): boolean {
    const bound = this.#options.maxInFlightBytes * share;
    if (running.openBytes >= bound || this.#deadLetters.isFull) return false;
    return running.sinks.every(
      ({ queue, disk, whenFull }) => whenFull !== "block" || !(disk ?? queue).isFull,
    );
  }
}
