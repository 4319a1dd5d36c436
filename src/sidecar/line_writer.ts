import type { Clock, TextOutput } from "../base/world.ts";

/** What a reader that stands still may leave waiting; more is dropped and counted. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** At the end: how long a reader may take for what is waiting. */
const LAST_WAIT_MS = 1_000;

/** Lines to an output that may be slow: never waits, never grows without bound. */
export class LineWriter {
  #waitingBytes = 0;
  #dropped = 0;
  #broken = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly output: TextOutput) {}

  /** One line or several, without the last line's end. */
  write(lines: string): void {
    if (this.#broken) return;
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#dropped += 1;
      return;
    }
    const note = this.#dropped === 0 ? "" : `{"dropped_log_writes":${this.#dropped}}\n`;
    this.#dropped = 0;
    const bytes = Buffer.from(`${note}${lines}\n`);
    this.#waitingBytes += bytes.length;
    this.#last = this.output.writeAll(bytes).then(
      () => (this.#waitingBytes -= bytes.length),
      // Nobody reads any more: traffic goes on without its log.
      () => (this.#broken = true),
    );
  }

  /** Before the process ends: until all is taken, or the reader has had its time. */
  async finish(clock: Clock): Promise<void> {
    let wake = (): void => {};
    const tooLate = new Promise<void>((resolve) => (wake = resolve));
    const timer = clock.after(LAST_WAIT_MS, wake);
    await Promise.race([this.#last, tooLate]);
    timer.cancel();
  }
}
