import type { ClusterStats, ListenerStats, ProxyStats } from "../api/stats.ts";
import { ratesBetween } from "../operate/rates.ts";
import type { CallSample, ConsoleApp, Sample, WorkloadSample } from "./view.ts";

/** Ten minutes of a sample a second. */
const MAX_SAMPLES = 600;

interface Reading {
  readonly atMs: number;
  readonly stats: ProxyStats;
}

/** Turns readings of counters into samples of rates, and keeps the last ten minutes of them. */
export class History {
  readonly #samples: Sample[] = [];
  #last = new Map<string, Reading>();

  /** @param atMs monotonic; @param timeMs wall clock */
  add(apps: readonly ConsoleApp[], atMs: number, timeMs: number): void {
    const workloads: Record<string, WorkloadSample> = {};
    const readings = new Map<string, Reading>();
    for (const { workload, stats } of apps) {
      if (stats === null) continue;
      const before = this.#last.get(workload);
      readings.set(workload, { atMs, stats });
      if (before === undefined) continue;
      workloads[workload] = workloadSample(before.stats, stats, atMs - before.atMs);
    }
    this.#last = readings;
    this.#samples.push({ timeMs, workloads });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  since(timeMs: number): readonly Sample[] {
    return this.#samples.filter((sample) => sample.timeMs > timeMs);
  }
}

function workloadSample(before: ProxyStats, after: ProxyStats, elapsedMs: number): WorkloadSample {
  const rates = ratesBetween(before, after, elapsedMs, ["inbound", "gateway"]);
  const calls: Record<string, CallSample> = {};
  for (const cluster of after.clusters) {
    if (cluster.kind !== "call") continue;
    calls[cluster.name] = callSample(before, after, cluster, elapsedMs);
  }
  return {
    requests: rates.requestsPerSecond,
    success: rates.requestsPerSecond === 0 ? null : 1 - rates.errorRatio,
    p50Ms: rates.p50Ms,
    p99Ms: rates.p99Ms,
    calls,
  };
}

function callSample(
  before: ProxyStats,
  after: ProxyStats,
  cluster: ClusterStats,
  elapsedMs: number,
): CallSample {
  const usable = before.uptimeMs <= after.uptimeMs;
  const old = usable ? before.clusters.find(({ name }) => name === cluster.name) : undefined;
  const listeners = after.listeners.filter((listener) => isCallOf(listener, cluster.name));
  const olds = before.listeners.filter((listener) => isCallOf(listener, cluster.name));
  const rates = ratesBetween(
    { ...before, listeners: olds },
    { ...after, listeners },
    elapsedMs,
    ["outbound"],
  );
  const perSecond = (now: number, then: number) => ((now - then) * 1000) / Math.max(1, elapsedMs);
  const fallbacks = (list: readonly ListenerStats[]) =>
    list.reduce((sum, { routes }) => sum + routes.reduce((part, r) => part + r.fallbacksTotal, 0), 0);
  return {
    requests: rates.requestsPerSecond,
    success: rates.requestsPerSecond === 0 ? null : 1 - rates.errorRatio,
    tries: perSecond(cluster.triesTotal, old?.triesTotal ?? 0),
    triesFailed: perSecond(cluster.triesFailedTotal, old?.triesFailedTotal ?? 0),
    fallbacks: perSecond(fallbacks(listeners), usable ? fallbacks(olds) : 0),
    breaker: cluster.breaker,
    ...(cluster.adaptive === undefined ? {} : { limit: cluster.adaptive.limit }),
  };
}

/** The listener that the app calls that callee by: `call:NAME`. */
function isCallOf(listener: ListenerStats, callee: string): boolean {
  return listener.direction === "outbound" && listener.name === `call:${callee}`;
}
