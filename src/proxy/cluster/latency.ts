/** After this long without a try a measure counts a third of what it was. */
const DECAY_MS = 10_000;

/**
 * How long tries took lately: at once up to a peak, then slowly down. So one slow answer is heeded,
 * and a slow endpoint is asked again after a while.
 */
export class PeakLatency {
  #valueMs = 0;
  #atMs = 0;

  observe(durationMs: number, nowMs: number): void {
    const value = this.at(nowMs);
    if (durationMs >= value) this.#valueMs = durationMs;
    else {
      const kept = Math.exp(-(nowMs - this.#atMs) / DECAY_MS);
      this.#valueMs = value + durationMs * (1 - kept);
    }
    this.#atMs = nowMs;
  }

  /** Milliseconds; 0 where nothing was measured. */
  at(nowMs: number): number {
    if (this.#valueMs === 0) return 0;
    return this.#valueMs * Math.exp(-(nowMs - this.#atMs) / DECAY_MS);
  }
}
