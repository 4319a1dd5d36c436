import type { WorkloadRef } from "../api/snapshot.ts";
import type {
  CertificateStats,
  ListenerStats,
  ListenerTlsStats,
  ObservedCall,
  RouteStats,
} from "../api/stats.ts";
import type { Clock } from "../base/world.ts";
import type { HttpListener } from "./listener/http_listener.ts";
import type { RouteCounters, TlsCounters } from "./telemetry/counters.ts";

/** Who called whom by which host, as the listeners saw it. @param workload null before a Snapshot */
export function observedCalls(
  listeners: readonly HttpListener[],
  workload: WorkloadRef | null,
  clock: Clock,
): ObservedCall[] {
  const wallAtZeroMs = clock.wallMs() - clock.now();
  return listeners.flatMap(({ config: { name, policy, counters } }) => {
    const from = policy.direction === "outbound" ? workload : null;
    return counters.observed.list().map(({ cluster, host, count, lastMs }) => {
      return { from, listener: name, host, cluster, count, lastSeenMs: wallAtZeroMs + lastMs };
    });
  });
}

/** What one listener and its routes have counted. */
export function listenerStats({ config }: HttpListener): ListenerStats {
  const { counters, name, policy, tls } = config;
  return {
    name,
    direction: policy.direction,
    connectionsActive: counters.connectionsActive,
    connectionsTotal: counters.connectionsTotal,
    malformedTotal: counters.malformed,
    ...(tls === null ? {} : { tls: tlsStats(counters.tls, tls.certificates) }),
    routes: [...counters.routes].map(([route, one]) => ({
      name: route,
      active: one.active,
      answersByClass: one.answers.byClass(),
      fallbacksTotal: [...one.fallbacks.values()].reduce((sum, count) => sum + count, 0),
      ...rateLimitStats(one),
      duration: one.duration.stats(),
    })),
  };
}

function tlsStats(
  counters: TlsCounters,
  certificates: readonly CertificateStats[],
): ListenerTlsStats {
  return {
    handshakesTotal: [...counters.handshakes.values()].reduce((sum, count) => sum + count, 0),
    failuresTotal: Object.fromEntries(counters.failures),
    reloadsTotal: counters.reloads,
    reloadFailuresTotal: counters.reloadFailures,
    certificates,
  };
}

function rateLimitStats({ rateLimits }: RouteCounters): Pick<RouteStats, "rateLimits"> {
  if (rateLimits.size === 0) return {};
  const entries = [...rateLimits].map(([name, { limited, unanswered }]) => {
    return [name, { limited: { ...limited }, unanswered }] as const;
  });
  return { rateLimits: Object.fromEntries(entries) };
}
