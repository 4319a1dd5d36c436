import type { HistogramStats } from "../../api/stats.ts";

/** Upper bounds of latency buckets in milliseconds: half to double, from a loopback hop to a minute. */
export const LATENCY_BOUNDS_MS = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000,
] as const;

/** Counts durations by bucket. */
export class Histogram {
  readonly counts = new Float64Array(LATENCY_BOUNDS_MS.length + 1);
  sumMs = 0;

  observe(durationMs: number): void {
    let bucket = 0;
    while (bucket < LATENCY_BOUNDS_MS.length && durationMs > LATENCY_BOUNDS_MS[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sumMs += durationMs;
  }

  stats(): HistogramStats {
    return { boundsMs: LATENCY_BOUNDS_MS, counts: [...this.counts], sumMs: this.sumMs };
  }
}
