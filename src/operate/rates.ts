import type { HistogramStats, ProxyStats, RouteStats } from "../api/stats.ts";

/** What one proxy did between two readings of its stats, as a person wants to see it. */
export interface Rates {
  readonly requestsPerSecond: number;
  /** 5xx and no answer at all, of all final answers; 0 where there were none. */
  readonly errorRatio: number;
  /** Null where there were no answers. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly triesPerSecond: number;
}

/** `direction` chooses the listeners: requests that came in, or calls that went out. */
export function ratesBetween(
  before: ProxyStats | null,
  after: ProxyStats,
  elapsedMs: number,
  directions: readonly string[],
): Rates {
  // A restarted proxy counts from zero again.
  const usable = before !== null && before.uptimeMs <= after.uptimeMs ? before : null;
  const now = routesOf(after, directions);
  const then = usable === null ? new Map<string, RouteStats>() : routesOf(usable, directions);
  let answers = 0;
  let errors = 0;
  const histogram = new GrownHistogram();
  for (const [key, route] of now) {
    const old = then.get(key);
    const grown = route.answersByClass.map((count, at) => count - (old?.answersByClass[at] ?? 0));
    answers += grown.reduce((sum, count) => sum + count, 0);
    errors += (grown[0] ?? 0) + (grown[5] ?? 0);
    histogram.add(route.duration, old?.duration ?? null);
  }
  const tries = (stats: ProxyStats) =>
    stats.clusters.reduce((sum, cluster) => sum + cluster.triesTotal, 0);
  const seconds = Math.max(elapsedMs, 1) / 1000;
  return {
    requestsPerSecond: answers / seconds,
    errorRatio: answers === 0 ? 0 : errors / answers,
    p50Ms: histogram.quantile(0.5),
    p99Ms: histogram.quantile(0.99),
    triesPerSecond: (tries(after) - (usable === null ? 0 : tries(usable))) / seconds,
  };
}

function routesOf(stats: ProxyStats, directions: readonly string[]): Map<string, RouteStats> {
  const routes = new Map<string, RouteStats>();
  for (const listener of stats.listeners) {
    if (!directions.includes(listener.direction)) continue;
    for (const route of listener.routes) routes.set(`${listener.name} ${route.name}`, route);
  }
  return routes;
}

/** What histograms with the same bounds grew by, added up. */
export class GrownHistogram {
  #bounds: readonly number[] = [];
  #counts: number[] = [];

  add(now: HistogramStats, then: HistogramStats | null): void {
    if (this.#counts.length === 0) {
      this.#bounds = now.boundsMs;
      this.#counts = now.counts.map(() => 0);
    }
    now.counts.forEach((count, at) => {
      this.#counts[at] = (this.#counts[at] ?? 0) + count - (then?.counts[at] ?? 0);
    });
  }

  /** Linear within a bucket; the last bucket, which has no end, counts as its start. */
  quantile(part: number): number | null {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    if (total <= 0) return null;
    let rest = part * total;
    for (const [at, count] of this.#counts.entries()) {
      if (rest > count) {
        rest -= count;
        continue;
      }
      const low = this.#bounds[at - 1] ?? 0;
      const high = this.#bounds[at] ?? low;
      return count === 0 ? low : low + (high - low) * (rest / count);
    }
    return this.#bounds.at(-1) ?? null;
  }
}
