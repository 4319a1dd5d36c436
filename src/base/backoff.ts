import type { Random } from "./world.ts";

/**
 * How long to wait before what crashed is started again: at once the first time, then doubling with
 * jitter up to a bound, and from the start again after it has been up for a while.
 */
export class RestartBackoff {
  #crashes = 0;

  constructor(
    private readonly random: Random,
    private readonly limits: {
      readonly baseMs: number;
      readonly maxMs: number;
      /** Up for this long counts as healthy. */
      readonly resetAfterMs: number;
    },
  ) {}

  /** Between half of the wait and all of it, so that neighbours do not restart in step. */
  nextMs(upForMs: number): number {
    const { baseMs, maxMs, resetAfterMs } = this.limits;
    if (upForMs >= resetAfterMs) this.#crashes = 0;
    this.#crashes += 1;
    if (this.#crashes === 1) return 0;
    const fullMs = Math.min(maxMs, baseMs * 2 ** Math.min(this.#crashes - 2, 30));
    return fullMs / 2 + this.random.next() * (fullMs / 2);
  }

  reset(): void {
    this.#crashes = 0;
  }
}
