import type { HistogramStats } from "../../api/stats.ts";
import type { Exemplar } from "../../codec/openmetrics.ts";

/** Upper bounds of latency buckets in milliseconds: half to double, from a loopback hop to a minute. */
export const LATENCY_BOUNDS_MS = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000,
] as const;
const BUCKETS = LATENCY_BOUNDS_MS.length + 1;

/** Counts durations by bucket. */
export class Histogram {
  readonly counts = new Float64Array(BUCKETS);
  sumMs = 0;
  /** The last sampled request of each bucket; null until there is one. */
  #examples: Examples | null = null;

  observe(durationMs: number): void {
    let bucket = 0;
    while (bucket < LATENCY_BOUNDS_MS.length && durationMs > LATENCY_BOUNDS_MS[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sumMs += durationMs;
  }

  /** A request whose trace is kept. */
  observeTraced(durationMs: number, traceId: string, wallMs: number): void {
    this.observe(durationMs);
    this.#examples ??= new Examples();
    let bucket = 0;
    while (bucket < LATENCY_BOUNDS_MS.length && durationMs > LATENCY_BOUNDS_MS[bucket]!) bucket++;
    this.#examples.traceIds[bucket] = traceId;
    this.#examples.durationsMs[bucket] = durationMs;
    this.#examples.wallMs[bucket] = wallMs;
  }

  /** Null where the bucket has none. The value is in seconds. */
  exemplar(bucket: number): Exemplar | null {
    const traceId = this.#examples?.traceIds[bucket] ?? "";
    if (traceId === "") return null;
    const { durationsMs, wallMs } = this.#examples!;
    return { traceId, value: durationsMs[bucket]! / 1000, wallMs: wallMs[bucket]! };
  }

  stats(): HistogramStats {
    return { boundsMs: LATENCY_BOUNDS_MS, counts: [...this.counts], sumMs: this.sumMs };
  }
}

class Examples {
  readonly traceIds: string[] = new Array<string>(BUCKETS).fill("");
  readonly durationsMs = new Float64Array(BUCKETS);
  readonly wallMs = new Float64Array(BUCKETS);
}
