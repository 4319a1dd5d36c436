/** Which endpoints of a call are well, as a Snapshot has it. */
import type { CallSpec } from "../api/app.ts";
import type { HealthCheck, Outlier } from "../api/health_spec.ts";
import type { HealthCheckPolicy, OutlierPolicy } from "../api/snapshot.ts";
import { countText, durationText, percentText } from "./words.ts";

/** Only what was written. */
export function healthPolicies({ outlier, health, host, port }: CallSpec): {
  outlier?: OutlierPolicy;
  health?: HealthCheckPolicy;
} {
  const authority = host === undefined || port === 80 ? (host ?? "") : `${host}:${port}`;
  return {
    ...(outlier === undefined ? {} : { outlier: outlierPolicy(outlier) }),
    ...(health === undefined ? {} : { health: healthCheckPolicy(health, authority) }),
  };
}

function healthCheckPolicy(health: HealthCheck, host: string): HealthCheckPolicy {
  return {
    path: health.path ?? null,
    host,
    statuses: health.statuses,
    intervalMs: health.interval,
    timeoutMs: health.timeout,
    unhealthyAfter: health.unhealthyAfter,
    healthyAfter: health.healthyAfter,
  };
}

function outlierPolicy(outlier: Outlier): OutlierPolicy {
  return {
    consecutive5xx: outlier.consecutive5xx,
    consecutiveGatewayErrors: outlier.consecutiveGatewayErrors,
    successRate: outlier.successRate === undefined ? null : { ...outlier.successRate },
    intervalMs: outlier.interval,
    baseMs: outlier.baseTime,
    maxMs: outlier.maxTime,
    maxEjectedRatio: outlier.maxEjected,
  };
}

/** The Snapshot's members below a cluster, and the call's fields. */
export const HEALTH_MEMBERS = [
  ["outlier", "outlier"],
  ["outlier.consecutive5xx", "outlier.consecutive5xx"],
  ["outlier.consecutiveGatewayErrors", "outlier.consecutiveGatewayErrors"],
  ["outlier.successRate", "outlier.successRate"],
  ["outlier.successRate.minEndpoints", "outlier.successRate.minEndpoints"],
  ["outlier.successRate.minRequests", "outlier.successRate.minRequests"],
  ["outlier.successRate.deviations", "outlier.successRate.deviations"],
  ["outlier.intervalMs", "outlier.interval"],
  ["outlier.baseMs", "outlier.baseTime"],
  ["outlier.maxMs", "outlier.maxTime"],
  ["outlier.maxEjectedRatio", "outlier.maxEjected"],
  ["health", "health"],
  ["health.path", "health.path"],
  ["health.statuses", "health.statuses"],
  ["health.intervalMs", "health.interval"],
  ["health.timeoutMs", "health.timeout"],
  ["health.unhealthyAfter", "health.unhealthyAfter"],
  ["health.healthyAfter", "health.healthyAfter"],
] as const;

/** `after 5 failures or 5 gateway errors in a row, for 30 s, 60 s, ... at most 5 min, ...` */
export function outlierText(outlier: OutlierPolicy): string {
  const { consecutive5xx, consecutiveGatewayErrors, successRate, baseMs, maxMs } = outlier;
  const reasons = [
    ...(consecutive5xx === 0 ? [] : [`${countText(consecutive5xx, "failure")} in a row`]),
    ...(consecutiveGatewayErrors === 0
      ? []
      : [`${countText(consecutiveGatewayErrors, "gateway error")} in a row`]),
    ...(successRate === null
      ? []
      : [`a success rate ${successRate.deviations} deviations below the others'`]),
  ];
  return (
    `ejects after ${reasons.length === 0 ? "nothing" : reasons.join(" or ")}, ` +
    `for ${durationText(baseMs)} and longer each time, at most ${durationText(maxMs)}, ` +
    `at most ${percentText(outlier.maxEjectedRatio)} of the endpoints`
  );
}

/** `GET /healthz every 2 s, out after 3 failures, back after 2 successes` */
export function healthText(health: HealthCheckPolicy): string {
  const { path, statuses, intervalMs, unhealthyAfter, healthyAfter } = health;
  const what = path === null ? "TCP connection" : `GET ${path} (${statuses.join(", ")})`;
  return (
    `${what} every ${durationText(intervalMs)}, ` +
    `left out after ${countText(unhealthyAfter, "failure")}, ` +
    `back after ${countText(healthyAfter, "success", "successes")}`
  );
}
