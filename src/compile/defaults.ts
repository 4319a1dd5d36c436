/**
 * What a Snapshot holds where nobody wrote a value, and why. Most of it are the defaults of the App
 * file's own fields, with the reasons that its reference page gives; here are the rest. The rule
 * behind all: a field that nobody wrote means the plainest behaviour, no policy, no retry and no
 * timeout on a request; only what bounds memory and broken peers has a figure.
 */
import { appSpec, type AppSpec, type CallSpec } from "../api/app.ts";
import type { FilterPolicy } from "../api/snapshot.ts";
import { parse, referenceRows } from "../schema/field.ts";
import { nodeOf } from "../schema/node.ts";
import { fromPointer } from "./pointer.ts";

/** An App of which nothing is written that may be left out. */
const PLAIN_APP = plainApp();

export const PLAIN_SIDECAR: AppSpec["sidecar"] = PLAIN_APP.sidecar;
export const PLAIN_CALL: CallSpec = PLAIN_APP.calls.any as CallSpec;

function plainApp(): AppSpec {
  const { value, problems } = parse(appSpec, nodeOf({ image: "any", calls: { any: {} } }));
  if (value === undefined) throw new Error(`The plain App is invalid: ${problems[0]?.message}`);
  return value;
}

/** Of pooled connections: shorter than the 75 s after which nginx, for one, closes its side. */
export const CLUSTER_IDLE_TIMEOUT_MS = 60_000;
/** Retries that are allowed whatever the budget's ratio gives: else a quiet caller had none. */
export const RETRY_BUDGET_MINIMUM = 3;
/** A name is asked for at most every second, and at least twice a minute. */
export const DNS_REFRESH = { minMs: 1_000, maxMs: 30_000 } as const;
/** On every route. */
export const FILTERS: readonly FilterPolicy[] = [
  { filter: "request_id", config: {} },
  { filter: "trace_context", config: {} },
];

const LISTENER = "/policy/listeners/*";
const ROUTE = `${LISTENER}/routes/*`;
const CLUSTER = "/policy/clusters/*";

/**
 * By pointer, where `*` stands for one segment and a last `**` for any number: a field of the App
 * file, whose text tells why, or a reason of its own. The first that fits holds.
 */
const REASONS: readonly (readonly [pattern: string, reason: string])[] = [
  [`${LISTENER}/protocol`, "spec.protocol"],
  [`${LISTENER}/maxConnections`, "spec.sidecar.maxConnections"],
  [`${LISTENER}/maxHeaderBytes`, "spec.sidecar.maxHeaderBytes"],
  [`${LISTENER}/maxHeaders`, "spec.sidecar.maxHeaders"],
  [`${LISTENER}/headerTimeoutMs`, "spec.sidecar.headerTimeout"],
  [`${LISTENER}/idleTimeoutMs`, "spec.sidecar.idleTimeout"],
  [`${LISTENER}/bodyTimeoutMs`, "spec.sidecar.bodyTimeout"],
  [`${LISTENER}/tls/minVersion`, "spec.tls.minVersion"],
  [`${LISTENER}/tls/clientCertificate`, "spec.tls.clientCertificate"],
  [`${LISTENER}/tls/handshakeTimeoutMs`, "spec.tls.handshakeTimeout"],
  ["/bindings/tls/*/clientCa", "no client certificate is asked for"],
  [`${ROUTE}/hosts`, "any host"],
  [`${ROUTE}/path/*`, "any path"],
  [`${ROUTE}/match/**`, "any request"],
  [`${ROUTE}/backends/*/weight`, "all of it, or an equal part"],
  [`${ROUTE}/timeoutMs`, "spec.calls.NAME.timeout"],
  [`${ROUTE}/idleTimeoutMs`, "spec.calls.NAME.idleTimeout"],
  [`${ROUTE}/retry`, "spec.calls.NAME.retry"],
  [`${ROUTE}/retry/attempts`, "spec.calls.NAME.retry.attempts"],
  [`${ROUTE}/retry/on`, "spec.calls.NAME.retry.on"],
  [`${ROUTE}/retry/perTryTimeoutMs`, "spec.calls.NAME.retry.perTryTimeout"],
  [`${ROUTE}/retry/backoff/baseMs`, "spec.calls.NAME.retry.backoff.base"],
  [`${ROUTE}/retry/backoff/maxMs`, "spec.calls.NAME.retry.backoff.max"],
  [`${ROUTE}/retry/budgetRatio`, "spec.calls.NAME.retry.budget"],
  [`${ROUTE}/retry/budgetMinimum`, "3, as in Envoy: with a ratio alone a quiet caller had none"],
  [`${ROUTE}/retry/methods`, "spec.calls.NAME.retry.methods"],
  [`${ROUTE}/retry/maxBodyBytes`, "spec.calls.NAME.retry.maxBody"],
  [`${ROUTE}/retry/maxRetryAfterMs`, "spec.calls.NAME.retry.maxRetryAfter"],
  [`${ROUTE}/fallback`, "spec.calls.NAME.fallback"],
  [`${ROUTE}/fallback/on`, "spec.calls.NAME.fallback.on"],
  [`${ROUTE}/fallback/lastGood/maxAgeMs`, "spec.calls.NAME.fallback.lastGood.maxAge"],
  [`${ROUTE}/fallback/lastGood/maxBytes`, "spec.calls.NAME.fallback.lastGood.maxBytes"],
  [`${ROUTE}/fallback/lastGood/maxEntries`, "spec.calls.NAME.fallback.lastGood.maxEntries"],
  [`${ROUTE}/fallback/status`, "spec.calls.NAME.fallback.status"],
  [`${ROUTE}/fallback/headers`, "spec.calls.NAME.fallback.headers"],
  [`${ROUTE}/fallback/body`, "spec.calls.NAME.fallback.body"],
  [`${ROUTE}/mirror/ratio`, "spec.routes[].mirror.percent"],
  [`${ROUTE}/mirror/timeoutMs`, "spec.routes[].mirror.timeout"],
  [`${ROUTE}/mirror/maxBodyBytes`, "spec.routes[].mirror.maxBody"],
  [`${ROUTE}/mirror/maxInFlight`, "spec.routes[].mirror.maxInFlight"],
  [`${ROUTE}/mirror/shadowHost`, "spec.routes[].mirror.shadowHost"],
  [`${ROUTE}/filters/*/config/name`, "after what it counts by"],
  [`${ROUTE}/filters/*/config/onError`, "spec.filters[].onError"],
  [`${ROUTE}/filters/*/config/timeoutMs`, "spec.filters[].timeout"],
  [`${ROUTE}/filters/*/config/maxBodyBytes`, "spec.filters[].maxBody"],
  [`${ROUTE}/filters/*/config/config`, "spec.filters[].config"],
  [`${ROUTE}/filters/*/config/perMs`, "spec.calls.NAME.rateLimit.per"],
  [`${ROUTE}/filters/*/config/burst`, "spec.calls.NAME.rateLimit.burst"],
  [`${ROUTE}/filters/*/config/key/by`, "spec.calls.NAME.rateLimit.by"],
  [`${ROUTE}/filters/*/config/maxKeys`, "spec.calls.NAME.rateLimit.maxKeys"],
  [
    `${ROUTE}/filters/*/config/shared/timeoutMs`,
    "spec.calls.NAME.rateLimit.shared.timeout",
  ],
  [
    `${ROUTE}/filters/*/config/shared/whenAway`,
    "spec.calls.NAME.rateLimit.shared.whenAway",
  ],
  [`${ROUTE}/filters/*/config/delay`, "spec.calls.NAME.faults.delay"],
  [`${ROUTE}/filters/*/config/abort`, "spec.calls.NAME.faults.abort"],
  [`${ROUTE}/filters/*/config/delay/ratio`, "spec.calls.NAME.faults.delay.percent"],
  [`${ROUTE}/filters/*/config/abort/status`, "spec.calls.NAME.faults.abort.status"],
  [`${ROUTE}/filters/*/config/abort/ratio`, "spec.calls.NAME.faults.abort.percent"],
  [`${ROUTE}/filters/*/config/bandwidth/ratio`, "spec.calls.NAME.faults.bandwidth.percent"],
  [`${ROUTE}/filters/*/config/headers`, "spec.calls.NAME.faults.headers"],
  [`${ROUTE}/filters/*/config/maxHeld`, "spec.calls.NAME.faults.maxHeld"],
  [`${ROUTE}/filters/*/config/allowMethods`, "spec.routes[].cors.allowMethods"],
  [`${ROUTE}/filters/*/config/allowHeaders`, "spec.routes[].cors.allowHeaders"],
  [`${ROUTE}/filters/*/config/exposeHeaders`, "spec.routes[].cors.exposeHeaders"],
  [`${ROUTE}/filters/*/config/allowCredentials`, "spec.routes[].cors.allowCredentials"],
  [`${ROUTE}/filters/*/config/maxAgeMs`, "spec.routes[].cors.maxAge"],
  [`${ROUTE}/filters/*/config/rules/*/methods`, "all methods"],
  [`${ROUTE}/filters/*/config/rules/*/notFrom`, "nobody may all the same"],
  [`${ROUTE}/filters/*/config/request/*`, "no such edit of requests"],
  [`${ROUTE}/filters/*/config/response/*`, "no such edit of answers"],
  [
    `${ROUTE}/filters/**`,
    "every request has an id and passes its trace on; the gateway tells whom it is from",
  ],
  [`${CLUSTER}/balance/policy`, "spec.calls.NAME.balance"],
  [`${CLUSTER}/balance/locality/spillRatio`, "spec.calls.NAME.balance.locality.spillBelow"],
  [`${CLUSTER}/balance/locality/failover`, "spec.calls.NAME.balance.locality.failover"],
  [`${CLUSTER}/outlier/consecutive5xx`, "spec.calls.NAME.outlier.consecutive5xx"],
  [
    `${CLUSTER}/outlier/consecutiveGatewayErrors`,
    "spec.calls.NAME.outlier.consecutiveGatewayErrors",
  ],
  [`${CLUSTER}/outlier/successRate`, "spec.calls.NAME.outlier.successRate"],
  [
    `${CLUSTER}/outlier/successRate/minEndpoints`,
    "spec.calls.NAME.outlier.successRate.minEndpoints",
  ],
  [
    `${CLUSTER}/outlier/successRate/minRequests`,
    "spec.calls.NAME.outlier.successRate.minRequests",
  ],
  [`${CLUSTER}/outlier/successRate/deviations`, "spec.calls.NAME.outlier.successRate.deviations"],
  [`${CLUSTER}/outlier/intervalMs`, "spec.calls.NAME.outlier.interval"],
  [`${CLUSTER}/outlier/baseMs`, "spec.calls.NAME.outlier.baseTime"],
  [`${CLUSTER}/outlier/maxMs`, "spec.calls.NAME.outlier.maxTime"],
  [`${CLUSTER}/outlier/maxEjectedRatio`, "spec.calls.NAME.outlier.maxEjected"],
  [`${CLUSTER}/health/path`, "spec.calls.NAME.health.path"],
  [`${CLUSTER}/health/host`, "the endpoint's address, or the name that is called"],
  [`${CLUSTER}/health/statuses`, "spec.calls.NAME.health.statuses"],
  [`${CLUSTER}/health/intervalMs`, "spec.calls.NAME.health.interval"],
  [`${CLUSTER}/health/timeoutMs`, "spec.calls.NAME.health.timeout"],
  [`${CLUSTER}/health/unhealthyAfter`, "spec.calls.NAME.health.unhealthyAfter"],
  [`${CLUSTER}/health/healthyAfter`, "spec.calls.NAME.health.healthyAfter"],
  [`${CLUSTER}/connectTimeoutMs`, "spec.calls.NAME.connectTimeout"],
  [`${CLUSTER}/idleTimeoutMs`, "60 s: an idle connection is closed before the other side does"],
  [`${CLUSTER}/limits/maxConnections`, "spec.calls.NAME.limits.maxConnections"],
  [`${CLUSTER}/limits/maxPendingRequests`, "spec.calls.NAME.limits.maxPendingRequests"],
  [`${CLUSTER}/limits/maxRequests`, "spec.calls.NAME.limits.maxRequests"],
  [`${CLUSTER}/limits/adaptive/min`, "spec.calls.NAME.limits.adaptive.min"],
  [`${CLUSTER}/limits/adaptive/max`, "spec.calls.NAME.limits.adaptive.max"],
  [`${CLUSTER}/limits/adaptive/percentile`, "spec.calls.NAME.limits.adaptive.percentile"],
  [`${CLUSTER}/limits/adaptive/windowMs`, "spec.calls.NAME.limits.adaptive.window"],
  [`${CLUSTER}/limits/adaptive/measureEveryMs`, "spec.calls.NAME.limits.adaptive.measureEvery"],
  [`${CLUSTER}/limits/adaptive/jitterRatio`, "spec.calls.NAME.limits.adaptive.jitter"],
  [
    `${CLUSTER}/limits/adaptive/measureSamples`,
    "spec.calls.NAME.limits.adaptive.measureRequests",
  ],
  [`${CLUSTER}/limits/adaptive/tolerance`, "spec.calls.NAME.limits.adaptive.tolerance"],
  [`${CLUSTER}/breaker`, "spec.calls.NAME.breaker"],
  [`${CLUSTER}/breaker/errorRate`, "spec.calls.NAME.breaker.errorRate"],
  [`${CLUSTER}/breaker/slowCallMs`, "spec.calls.NAME.breaker.slowCallDuration"],
  [`${CLUSTER}/breaker/slowCallRate`, "spec.calls.NAME.breaker.slowCallRate"],
  [`${CLUSTER}/breaker/minRequests`, "spec.calls.NAME.breaker.minRequests"],
  [`${CLUSTER}/breaker/windowMs`, "spec.calls.NAME.breaker.window"],
  [`${CLUSTER}/breaker/openMs`, "spec.calls.NAME.breaker.openFor"],
  [`${CLUSTER}/breaker/halfOpenRequests`, "spec.calls.NAME.breaker.halfOpenRequests"],
  ["/policy/accessLog/format", "spec.sidecar.accessLog"],
  ["/policy/accessLog/only/*", "spec.sidecar.accessLog"],
  ["/policy/overload/memory/*", "spec.sidecar.overload.memory"],
  ["/policy/overload/eventLoopLagMs", "spec.sidecar.overload.eventLoopLag"],
  ["/policy/overload/keepPaths", "the App's paths of health"],
  ["/policy/tracing/ratio", "1%: enough to see where time goes, and next to nothing to pay"],
  ["/policy/tracing/write", "w3c, which all know; what came is passed on besides"],
  ["/policy/drainMs", "spec.sidecar.drainTimeout"],
  ["/policy/filterWatchdogMs", "spec.sidecar.filterWatchdog"],
];

let compiled: readonly { readonly parts: string[]; readonly reason: string }[] | null = null;

/** Why a part that nobody wrote is as it is; null where it follows from another part. */
export function defaultReason(pointer: string): string | null {
  compiled ??= compileReasons();
  const segments = fromPointer(pointer);
  return compiled.find(({ parts }) => fits(parts, segments))?.reason ?? null;
}

/** Field texts are looked up when somebody asks: a proxy's control plane never does. */
function compileReasons(): { parts: string[]; reason: string }[] {
  const rows = new Map(referenceRows(appSpec, "spec").map((row) => [row.path, row.about]));
  return REASONS.map(([pattern, reason]) => {
    const about = reason.startsWith("spec.") ? rows.get(reason) : reason;
    if (about === undefined) throw new Error(`No field of the App file is called ${reason}.`);
    return { parts: fromPointer(pattern), reason: about };
  });
}

function fits(parts: readonly string[], segments: readonly string[]): boolean {
  const open = parts.at(-1) === "**";
  const fixed = open ? parts.slice(0, -1) : parts;
  if (open ? segments.length < fixed.length : segments.length !== fixed.length) return false;
  return fixed.every((part, index) => part === "*" || part === segments[index]);
}
