/** Which endpoints of a call are well, as a Snapshot has it. */
import type { CallSpec } from "../api/app.ts";
import type { Outlier } from "../api/health_spec.ts";
import type { OutlierPolicy } from "../api/snapshot.ts";
import { countText, durationText, percentText } from "./words.ts";

/** Only what was written. */
export function healthPolicies({ outlier }: CallSpec): { outlier?: OutlierPolicy } {
  return outlier === undefined ? {} : { outlier: outlierPolicy(outlier) };
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
