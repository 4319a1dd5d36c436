import type { ClusterStats, ProxyStats, RouteStats } from "../api/stats.ts";
import { GrownHistogram } from "./rates.ts";

/** What one route, or one cluster, did between two readings. */
export interface TopRow {
  readonly app: string;
  readonly kind: "route" | "cluster";
  /** A route's listener; empty for a cluster. */
  readonly listener: string;
  readonly name: string;
  /** Requests of a route, tries of a cluster. */
  readonly perSecond: number;
  /** 5xx and no answer of a route, failed tries of a cluster; 0 to 1. */
  readonly errorRatio: number;
  /** Null where nothing ended, and for clusters. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly active: number;
  /** Retries and refusals of a cluster, a second. */
  readonly retriesPerSecond: number;
  readonly refusedPerSecond: number;
  /** Of a cluster; `none` where it has none. */
  readonly breaker: ClusterStats["breaker"];
}

/** @param before null, or from before a restart: then rates are those since the start */
export function topRows(
  app: string,
  before: ProxyStats | null,
  now: ProxyStats,
  elapsedMs: number,
): TopRow[] {
  const usable = before !== null && before.uptimeMs <= now.uptimeMs ? before : null;
  const seconds = Math.max(1, usable === null ? now.uptimeMs : elapsedMs) / 1000;
  const routes = now.listeners.flatMap(({ name: listener, routes: all }) => {
    const old = usable?.listeners.find(({ name }) => name === listener)?.routes ?? [];
    return all.map((route) => {
      const was = old.find(({ name }) => name === route.name) ?? null;
      return routeRow(app, listener, route, was, seconds);
    });
  });
  const clusters = now.clusters.map((cluster) => {
    const was = usable?.clusters.find(({ name }) => name === cluster.name) ?? null;
    return clusterRow(app, cluster, was, seconds);
  });
  return [...routes, ...clusters];
}

function routeRow(
  app: string,
  listener: string,
  route: RouteStats,
  was: RouteStats | null,
  seconds: number,
): TopRow {
  const grown = route.answersByClass.map((count, at) => count - (was?.answersByClass[at] ?? 0));
  const answers = grown.reduce((sum, count) => sum + count, 0);
  const histogram = new GrownHistogram();
  histogram.add(route.duration, was?.duration ?? null);
  return {
    ...{ app, kind: "route" as const, listener, name: route.name, active: route.active },
    perSecond: answers / seconds,
    errorRatio: answers === 0 ? 0 : ((grown[0] ?? 0) + (grown[5] ?? 0)) / answers,
    p50Ms: histogram.quantile(0.5),
    p99Ms: histogram.quantile(0.99),
    ...{ retriesPerSecond: 0, refusedPerSecond: 0, breaker: "none" as const },
  };
}

function clusterRow(
  app: string,
  cluster: ClusterStats,
  was: ClusterStats | null,
  seconds: number,
): TopRow {
  const grown = (key: Counted): number => cluster[key] - (was?.[key] ?? 0);
  const tries = grown("triesTotal");
  const refused = REFUSALS.reduce((sum, key) => sum + grown(key), 0);
  return {
    ...{ app, kind: "cluster" as const, listener: "", name: cluster.name },
    active: cluster.requestsActive,
    perSecond: tries / seconds,
    errorRatio: tries === 0 ? 0 : Math.min(1, grown("triesFailedTotal") / tries),
    ...{ p50Ms: null, p99Ms: null },
    retriesPerSecond: grown("retriesTotal") / seconds,
    refusedPerSecond: refused / seconds,
    breaker: cluster.breaker,
  };
}

type Counted = Extract<keyof ClusterStats, `${string}Total`> & keyof OnlyNumbers;
type OnlyNumbers = {
  [Key in keyof ClusterStats as ClusterStats[Key] extends number ? Key : never]: true;
};
const REFUSALS: readonly Counted[] = ["overflowTotal", "rejectedByBreakerTotal", "noEndpointTotal"];
