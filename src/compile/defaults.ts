/**
 * Every value that a Snapshot gets when nobody wrote one, and why it is that one. The rule behind
 * them: a field that nobody wrote means the plainest behaviour, no policy, no retry and no timeout
 * on a request; only what bounds memory and broken peers has a figure.
 */
import type {
  AccessLogPolicy,
  FallbackTrigger,
  FilterPolicy,
  LimitsPolicy,
  RetryCondition,
} from "../api/snapshot.ts";
import { fromPointer } from "./pointer.ts";

// Listeners.
export const MAX_CONNECTIONS = 10_000;
export const MAX_HEADER_BYTES = 60 * 1024;
export const MAX_HEADERS = 100;
export const HEADER_TIMEOUT_MS = 10_000;
export const IDLE_TIMEOUT_MS = 60_000;

// Clusters.
export const CONNECT_TIMEOUT_MS = 5_000;
export const LIMITS: LimitsPolicy = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
};
export const DNS_REFRESH = { minMs: 1_000, maxMs: 30_000 } as const;

// Routes.
export const NO_TIMEOUT_MS = 0;
export const WEIGHT = 1;
export const FILTERS: readonly FilterPolicy[] = [
  { filter: "request_id", config: {} },
  { filter: "trace_context", config: {} },
];

// Parts of what a file asks for by name.
export const RETRY_ATTEMPTS = 1;
export const RETRY_ON: readonly RetryCondition[] = ["5xx", "reset", "connect-failure"];
export const RETRY_BACKOFF = { baseMs: 25, maxMs: 250 } as const;
/** How often the base fits into the longest wait when only the base is written, as in Envoy. */
export const RETRY_BACKOFF_FACTOR = 10;
export const RETRY_BUDGET_RATIO = 0.2;
export const RETRY_BUDGET_MINIMUM = 3;
export const RETRY_METHODS = "idempotent" as const;
export const RETRY_MAX_BODY_BYTES = 64 * 1024;
export const BREAKER_ERROR_RATE = 0.5;
export const BREAKER_MIN_REQUESTS = 20;
export const BREAKER_WINDOW_MS = 10_000;
export const BREAKER_OPEN_MS = 5_000;
export const BREAKER_HALF_OPEN_REQUESTS = 3;
export const FALLBACK_ON: readonly FallbackTrigger[] = ["open", "exhausted"];
export const FALLBACK_STATUS = 503;

// The workload.
export const ACCESS_LOG: AccessLogPolicy = { format: "off" };
export const DRAIN_MS = 20_000;

/** Reasons by pointer; `*` stands for one segment. The first that fits holds. */
const REASONS: readonly (readonly [pattern: string, reason: string])[] = [
  ["/policy/listeners/*/maxConnections", "bounds memory; far above what one app serves"],
  ["/policy/listeners/*/maxHeaderBytes", "60 KiB, as in Envoy"],
  ["/policy/listeners/*/maxHeaders", "100, as in Envoy"],
  ["/policy/listeners/*/headerTimeoutMs", "10 s: a slow head must not hold a connection"],
  ["/policy/listeners/*/idleTimeoutMs", "60 s: a connection without a request is given back"],
  ["/policy/listeners/*/protocol", "http is what an App speaks unless it says otherwise"],
  ["/policy/listeners/*/routes/*/timeoutMs", "no timeout unless one is written"],
  ["/policy/listeners/*/routes/*/idleTimeoutMs", "no idle timeout unless one is written"],
  ["/policy/listeners/*/routes/*/retry", "no retry unless one is written"],
  ["/policy/listeners/*/routes/*/retry/attempts", "one try besides the first, as in Envoy"],
  ["/policy/listeners/*/routes/*/retry/on", "what a second try can heal"],
  ["/policy/listeners/*/routes/*/retry/perTryTimeoutMs", "a try may take the whole timeout"],
  ["/policy/listeners/*/routes/*/retry/backoff/*", "25 ms doubling to ten times that, as in Envoy"],
  ["/policy/listeners/*/routes/*/retry/budgetRatio", "20% of the requests in flight, as in Envoy"],
  ["/policy/listeners/*/routes/*/retry/budgetMinimum", "3 at once, as in Envoy"],
  ["/policy/listeners/*/routes/*/retry/methods", "only what may be sent twice (RFC 9110, 9.2.2)"],
  ["/policy/listeners/*/routes/*/retry/maxBodyBytes", "64 KiB are kept for a second try"],
  ["/policy/listeners/*/routes/*/fallback", "the real answer unless a fallback is written"],
  ["/policy/listeners/*/routes/*/fallback/on", "open breaker, or all tries used"],
  ["/policy/listeners/*/routes/*/fallback/status", "503 says that there is no real answer"],
  ["/policy/listeners/*/routes/*/fallback/body", "no body unless one is written"],
  ["/policy/listeners/*/routes/*/fallback/headers", "no headers unless some are written"],
  ["/policy/listeners/*/routes/*/filters", "every request has an id and passes its trace on"],
  ["/policy/listeners/*/routes/*/hosts", "any host"],
  ["/policy/listeners/*/routes/*/path/*", "any path"],
  ["/policy/listeners/*/routes/*/name", "the route's host and path"],
  ["/policy/listeners/*/routes/*/backends/*/weight", "an equal part"],
  ["/policy/listeners/*/routes/*/backends/*/cluster", "where the route leads"],
  ["/policy/listeners/*/direction", "what the listener is for"],
  ["/policy/clusters/*/kind", "what the cluster is for"],
  ["/policy/clusters/*/connectTimeoutMs", "5 s, as in Envoy"],
  ["/policy/clusters/*/idleTimeoutMs", "60 s: an idle pooled connection is given back"],
  ["/policy/clusters/*/limits/*", "1024, as in Envoy"],
  ["/policy/clusters/*/balance/policy", "each endpoint in turn"],
  ["/policy/clusters/*/breaker", "no breaker unless one is written"],
  ["/policy/clusters/*/breaker/errorRate", "half of the tries"],
  ["/policy/clusters/*/breaker/minRequests", "20 tries: fewer prove nothing"],
  ["/policy/clusters/*/breaker/windowMs", "10 s: short enough to open in time"],
  ["/policy/clusters/*/breaker/openMs", "5 s: long enough for a restart, short for a caller"],
  ["/policy/clusters/*/breaker/halfOpenRequests", "3 probes: one success may be luck"],
  ["/policy/pipelines/*/sources/*/component", "the app writes a file"],
  ["/policy/pipelines/*/steps/*/component", "what the log entry asks for"],
  ["/policy/pipelines/*/steps/*/config/**", "which app the line came from"],
  ["/policy/pipelines/*/sinks/*/config/**", "as the Mesh says"],
  ["/policy/accessLog/format", "off: metrics count everything, a log costs on each request"],
  ["/policy/drainMs", "20 s: below the 30 s that Kubernetes waits before it kills"],
];

const PATTERNS = REASONS.map(([pattern, reason]) => ({ parts: fromPointer(pattern), reason }));

/** Why a part that nobody wrote is as it is; null where no default is known for it. */
export function defaultReason(pointer: string): string | null {
  const segments = fromPointer(pointer);
  return PATTERNS.find(({ parts }) => fits(parts, segments))?.reason ?? null;
}

function fits(parts: readonly string[], segments: readonly string[]): boolean {
  const open = parts.at(-1) === "**";
  const fixed = open ? parts.slice(0, -1) : parts;
  if (open ? segments.length < fixed.length : segments.length !== fixed.length) return false;
  return fixed.every((part, index) => part === "*" || part === segments[index]);
}
