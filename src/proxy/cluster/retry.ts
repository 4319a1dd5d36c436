import type { RetryCondition, RetryPolicy } from "../../api/snapshot.ts";
import type { Random } from "../../base/world.ts";

/** RFC 9110, 9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return method === "GET" || IDEMPOTENT.has(method);
}

/** Whether an answer's status may be tried again: Envoy's `5xx`, `gateway-error`, `retriable-4xx`. */
export function retriesStatus(policy: RetryPolicy, status: number): boolean {
  if (status < 500) return status === 409 && policy.on.includes("retriable-4xx");
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

const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * How long an answer's Retry-After asks to wait (RFC 9110, 10.2.3): seconds or a date; 0 where it is
 * missing, past or neither of both.
 */
export function retryAfterMs(value: string | null, wallMs: number): number {
  if (value === null) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = IMF_FIXDATE.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - wallMs);
}

/** One more retry may be in flight while fewer than this are. */
export function retryBudget(policy: RetryPolicy, requestsActive: number): number {
  return Math.max(policy.budgetMinimum, policy.budgetRatio * requestsActive);
}
