import type { RetryCondition, RetryPolicy } from "../../api/snapshot.ts";
import type { Random } from "../../base/world.ts";
import type { ClusterCounters } from "../telemetry/counters.ts";

/** RFC 9110, 9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return method === "GET" || IDEMPOTENT.has(method);
}

/** Whether an answer's status may be tried again: Envoy's `5xx` and `gateway-error`. */
export function retriesStatus(policy: RetryPolicy, status: number): boolean {
  if (status < 500) return false;
  if (policy.on.includes("5xx")) return true;
  return status >= 502 && status <= 504 && policy.on.includes("gateway-error");
}

/** Whether a failure without an answer may be; `5xx` covers them all, as in Envoy. */
export function retriesFailure(policy: RetryPolicy, condition: RetryCondition): boolean {
  return policy.on.includes(condition) || policy.on.includes("5xx");
}

/** Full jitter: uniform in [0, min(max, base * 2^n)), n from 0. */
export function backoffMs(policy: RetryPolicy, retry: number, random: Random): number {
  const ceiling = Math.min(policy.backoff.maxMs, policy.backoff.baseMs * 2 ** retry);
  return random.next() * ceiling;
}

/** Whether one more retry may be in flight. */
export function withinBudget(policy: RetryPolicy, counters: ClusterCounters): boolean {
  const share = policy.budgetRatio * counters.requestsActive;
  return counters.retriesActive < Math.max(policy.budgetMinimum, share);
}
