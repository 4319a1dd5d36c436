import type { TextOutput } from "../base/world.ts";

/** What a reader that stands still may leave waiting; more is dropped and counted. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** Lines to an output that may be slow: never waits, never grows without bound. */
export class LineWriter {
  #waitingBytes = 0;
  #dropped = 0;
  #broken = false;

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
    this.output.writeAll(bytes).then(
      () => (this.#waitingBytes -= bytes.length),
      // Nobody reads any more: traffic goes on without its log.
      () => (this.#broken = true),
    );
  }
}
