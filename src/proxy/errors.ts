import type { FallbackTrigger, RetryCondition } from "../api/snapshot.ts";

/** Why a request has no answer from an upstream. Stable: they stand in logs and metrics. */
export type FailureCode =
  | "no-route"
  | "overload"
  | "bad-path"
  | "unsupported-method"
  | "breaker-open"
  | "overflow-requests"
  | "overflow-concurrency"
  | "overflow-pending"
  | "no-endpoint"
  | "connect-failure"
  | "connect-timeout"
  | "tls-failure"
  | "reset"
  | "per-try-timeout"
  | "timeout"
  | "idle-timeout"
  | "request-body-timeout"
  | "answer-not-read"
  | "malformed-response"
  | "filter-error"
  | "body-too-large"
  | "request-too-large"
  | "response-too-large";

/** What follows from a failure: the answer, Envoy's flag for it, whether it may be tried again. */
export interface FailureDecision {
  readonly status: number;
  /** Envoy's response flag, or one of ours where it has none. */
  readonly flag: string;
  readonly source: "downstream" | "upstream" | "local";
  /** The retry condition that covers it, or null where trying again is no use. */
  readonly retry: RetryCondition | null;
  readonly fallback: FallbackTrigger | null;
  /** For the caller: says nothing of what lies behind the proxy. */
  readonly text: string;
}

/** Refused, failed, or told by a flag that something was not as it should be. */
export function isFailed(ended: {
  readonly flags: string;
  readonly status: number;
  readonly detail: string;
}): boolean {
  const { flags, status, detail } = ended;
  if (flags !== "" || status >= 500 || status === 0) return true;
  return status >= 400 && detail !== "via_upstream";
}

/** The one place that maps a failure to its answer. Statuses and flags are Envoy's. */
export const DECISIONS: Readonly<Record<FailureCode, FailureDecision>> = {
  "no-route": local(404, "NR", null, "no route for this host and path"),
  overload: local(503, "OM", "overflow", "the sidecar has too much to do"),
  "bad-path": local(400, "DPE", null, "the path cannot be normalised"),
  "unsupported-method": local(405, "DPE", null, "CONNECT is not offered here"),
  "breaker-open": local(503, "UO", "open", "the circuit breaker is open"),
  "overflow-requests": local(503, "UO", "overflow", "too many requests in flight"),
  // Envoy's filter has no flag of its own for it.
  "overflow-concurrency": local(503, "AC", "overflow", "more requests than the callee bears"),
  "overflow-pending": local(503, "UO", "overflow", "too many requests wait for a connection"),
  "no-endpoint": local(503, "UH", "no-endpoint", "no endpoint to send to"),
  "connect-failure": upstream(503, "UF", "connect-failure", "exhausted", "cannot connect upstream"),
  "connect-timeout": upstream(503, "UF", "connect-failure", "exhausted", "cannot connect upstream"),
  "tls-failure": upstream(503, "UF", "connect-failure", "exhausted", "cannot connect upstream"),
  reset: upstream(503, "UC", "reset", "exhausted", "the upstream closed the connection"),
  "per-try-timeout": upstream(504, "UT", "5xx", "exhausted", "the upstream did not answer in time"),
  timeout: upstream(504, "UT", null, "timeout", "no answer in time"),
  "idle-timeout": upstream(504, "SI", null, "timeout", "no data in time"),
  "request-body-timeout": local(408, "SI", null, "the request's body did not arrive in time"),
  // Told in logs only: who does not read gets no other answer.
  "answer-not-read": local(408, "SI", null, "the answer was not read in time"),
  "malformed-response": upstream(502, "UPE", "5xx", "exhausted", "the upstream's answer is malformed"),
  "filter-error": local(500, "LR", null, "a filter failed"),
  "body-too-large": local(413, "DPE", null, "the request's body is larger than the listener takes"),
  "request-too-large": local(413, "LR", null, "the request's body is larger than a filter takes"),
  "response-too-large": local(502, "LR", null, "the answer's body is larger than a filter takes"),
};

function local(
  status: number,
  flag: string,
  fallback: FallbackTrigger | null,
  text: string,
): FailureDecision {
  return { status, flag, source: "local", retry: null, fallback, text };
}

function upstream(
  status: number,
  flag: string,
  retry: RetryCondition | null,
  fallback: FallbackTrigger,
  text: string,
): FailureDecision {
  return { status, flag, source: "upstream", retry, fallback, text };
}
