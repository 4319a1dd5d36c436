import type { Snapshot } from "../../api/snapshot.ts";
import type { RedisStats, UserFilterStats } from "../../api/stats.ts";
import { exemplarText } from "../../codec/openmetrics.ts";
import { PrometheusText } from "../../codec/prometheus_text.ts";
import type { BreakerState } from "../cluster/breaker.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { ListenerConfig } from "../listener/config.ts";
import type { Overload } from "../overload.ts";
import type { RouteCounters } from "./counters.ts";
import { type Histogram, LATENCY_BOUNDS_MS } from "./histogram.ts";
import type { SpanCounts } from "./span_exporter.ts";

const BOUNDS_SECONDS = LATENCY_BOUNDS_MS.map((bound) => bound / 1000);
const BREAKER_VALUE: Readonly<Record<BreakerState, number>> = { closed: 0, "half-open": 1, open: 2 };

/**
 * The proxy's metrics as Prometheus text. Labels are names of listeners, routes and clusters and
 * status codes: bounded by the Snapshot, never by what callers send. Exemplars stand behind the
 * buckets of routes; `codec/openmetrics.ts` makes of it what a reader takes.
 */
export function metricsText(
  listeners: readonly ListenerConfig[],
  clusters: readonly Cluster[],
  snapshot: Snapshot | null,
  overload: Overload,
  spans: SpanCounts | null,
  redis: readonly RedisStats[] = [],
  filters: readonly UserFilterStats[] = [],
): string {
  const text = new PrometheusText();
  text.family("outrigger_build_info", "gauge", "1, with the version of the Snapshot in force.");
  text.sample("outrigger_build_info", { version: snapshot?.version ?? "" }, 1);
  writeOverload(text, overload);
  writeListeners(text, listeners);
  writeTls(text, listeners);
  writeUpstreamTls(text, clusters);
  writeRoutes(text, listeners);
  writeTries(text, clusters);
  writeLimits(text, clusters);
  writePools(text, clusters);
  writeBreakers(text, clusters);
  writeHealth(text, clusters);
  writeRedis(text, redis);
  writeSpans(text, spans);
  writeUserFilters(text, filters);
  return text.toString();
}

/** Nothing where nothing was ever traced. */
function writeSpans(text: PrometheusText, spans: SpanCounts | null): void {
  if (spans === null) return;
  const name = "outrigger_spans_total";
  text.family(name, "counter", "Spans of sampled requests, by whether the collector has them.");
  for (const outcome of ["sent", "dropped", "failed"] as const) {
    text.sample(name, { outcome }, spans[outcome]);
  }
}

function writeOverload(text: PrometheusText, overload: Overload): void {
  const shedding = overload.stats()?.shedding;
  if (shedding === undefined) return;
  const active = "outrigger_overload_active";
  text.family(active, "gauge", "1 while new requests are refused, for this reason.");
  const shed = "outrigger_overload_shed_total";
  for (const reason of ["memory", "event-loop"] as const) {
    text.sample(active, { reason }, shedding === reason ? 1 : 0);
  }
  text.family(shed, "counter", "Requests answered 503 because the sidecar had too much to do.");
  for (const reason of ["memory", "event-loop"] as const) {
    text.sample(shed, { reason }, overload.shed[reason]);
  }
}

function writeListeners(text: PrometheusText, listeners: readonly ListenerConfig[]): void {
  const families = [
    ["outrigger_connections_active", "gauge", "Open connections of callers.", "connectionsActive"],
    ["outrigger_connections_total", "counter", "Connections accepted.", "connectionsTotal"],
    [
      "outrigger_connections_refused_total",
      "counter",
      "Connections refused at the listener's limit.",
      "connectionsRefused",
    ],
    [
      "outrigger_malformed_requests_total",
      "counter",
      "Requests that could not be parsed.",
      "malformed",
    ],
  ] as const;
  for (const [name, type, help, field] of families) {
    text.family(name, type, help);
    for (const listener of listeners) {
      text.sample(name, { listener: listener.name }, listener.counters[field]);
    }
  }
}

function writeTls(text: PrometheusText, listeners: readonly ListenerConfig[]): void {
  const secured = listeners.flatMap(({ name, counters, tls }) =>
    tls === null ? [] : [{ listener: name, counters: counters.tls, tls }],
  );
  if (secured.length === 0) return;
  const handshakes = "outrigger_tls_handshakes_total";
  text.family(handshakes, "counter", "Handshakes with callers, by version of TLS.");
  for (const { listener, counters } of secured) {
    for (const [version, count] of counters.handshakes) {
      text.sample(handshakes, { listener, version: `TLSv${version}` }, count);
    }
  }
  const resumed = "outrigger_tls_resumptions_total";
  text.family(resumed, "counter", "Handshakes that resumed a session.");
  for (const { listener, counters } of secured) text.sample(resumed, { listener }, counters.resumed);
  const failures = "outrigger_tls_handshake_failures_total";
  text.family(failures, "counter", "Handshakes with callers that failed, by reason.");
  for (const { listener, counters } of secured) {
    for (const [reason, count] of counters.failures) text.sample(failures, { listener, reason }, count);
  }
  const expiry = "outrigger_tls_certificate_not_after_seconds";
  text.family(expiry, "gauge", "When a certificate in force expires, in seconds since 1970.");
  for (const { listener, tls } of secured) {
    for (const { name, notAfterMs } of tls.certificates) {
      text.sample(expiry, { listener, certificate: name }, notAfterMs / 1000);
    }
  }
  const reloads = "outrigger_tls_reloads_total";
  text.family(reloads, "counter", "Changed certificate files, by whether they could be used.");
  for (const { listener, counters } of secured) {
    text.sample(reloads, { listener, result: "loaded" }, counters.reloads);
    text.sample(reloads, { listener, result: "refused" }, counters.reloadFailures);
  }
}

function writeUpstreamTls(text: PrometheusText, clusters: readonly Cluster[]): void {
  const secured = clusters.flatMap(({ name, tls }) => (tls === null ? [] : [{ name, tls }]));
  if (secured.length === 0) return;
  const handshakes = "outrigger_upstream_tls_handshakes_total";
  text.family(handshakes, "counter", "Handshakes with callees, by version of TLS.");
  for (const { name, tls } of secured) {
    for (const [version, count] of tls.counters.handshakes) {
      text.sample(handshakes, { cluster: name, version: `TLSv${version}` }, count);
    }
  }
  const resumed = "outrigger_upstream_tls_resumptions_total";
  text.family(resumed, "counter", "Handshakes with callees that resumed a session.");
  for (const { name, tls } of secured) {
    text.sample(resumed, { cluster: name }, tls.counters.resumed);
  }
  const failures = "outrigger_upstream_tls_failures_total";
  text.family(failures, "counter", "Handshakes with callees that failed, by reason.");
  for (const { name, tls } of secured) {
    for (const [reason, count] of tls.counters.failures) {
      text.sample(failures, { cluster: name, reason }, count);
    }
  }
  const expiry = "outrigger_upstream_tls_certificate_not_after_seconds";
  text.family(expiry, "gauge", "When the certificate shown to a callee expires, since 1970.");
  for (const { name, tls } of secured) {
    const { certificate } = tls;
    if (certificate !== null) {
      text.sample(expiry, { cluster: name }, certificate.notAfterMs / 1000);
    }
  }
}

interface ShownRoute {
  readonly counters: RouteCounters;
  readonly labels: Readonly<Record<string, string>>;
}

function writeRoutes(text: PrometheusText, listeners: readonly ListenerConfig[]): void {
  const routes = listeners.flatMap((listener) =>
    [...listener.counters.routes].map(([route, counters]): ShownRoute => ({
      counters,
      labels: { listener: listener.name, direction: listener.policy.direction, route },
    })),
  );
  writeRequests(text, routes);
  writeAnsweredHere(text, routes);
}

function writeRequests(text: PrometheusText, routes: readonly ShownRoute[]): void {
  text.family(
    "outrigger_requests_total",
    "counter",
    "Requests by the status that the caller got; 0 where the caller left before.",
  );
  for (const { labels, counters } of routes) {
    for (const [code, count] of counters.answers.entries()) {
      text.sample("outrigger_requests_total", { ...labels, code: String(code) }, count);
    }
  }
  text.family(
    "outrigger_request_duration_seconds",
    "histogram",
    "From a request's head to the end of its answer.",
  );
  for (const { labels, counters } of routes) {
    const { counts, sumMs } = counters.duration;
    text.histogram(
      "outrigger_request_duration_seconds",
      labels,
      BOUNDS_SECONDS,
      counts,
      sumMs / 1000,
      exemplarsOf(counters.duration),
    );
  }
  const sums = [
    ["outrigger_request_bytes_total", "Bytes of callers' bodies.", "requestBytes"],
    ["outrigger_response_bytes_total", "Bytes of answers' bodies.", "responseBytes"],
    ["outrigger_retries_total", "Tries after a request's first.", "retries"],
  ] as const;
  for (const [name, help, field] of sums) {
    text.family(name, "counter", help);
    for (const { labels, counters } of routes) text.sample(name, labels, counters[field]);
  }
  text.family("outrigger_requests_active", "gauge", "Requests in flight.");
  for (const { labels, counters } of routes) {
    text.sample("outrigger_requests_active", labels, counters.active);
  }
}

/** Fallbacks, rate limits, faults. */
function writeAnsweredHere(text: PrometheusText, routes: readonly ShownRoute[]): void {
  text.family("outrigger_fallbacks_total", "counter", "Canned answers given, by what triggered them.");
  for (const { labels, counters } of routes) {
    for (const [trigger, count] of counters.fallbacks) {
      text.sample("outrigger_fallbacks_total", { ...labels, trigger }, count);
    }
  }
  text.family("outrigger_last_good_total", "counter", "Last good answers given as fallbacks.");
  for (const { labels, counters } of routes) {
    text.sample("outrigger_last_good_total", labels, counters.lastGood);
  }
  text.family(
    "outrigger_rate_limited_total",
    "counter",
    "Requests that a rate limit refused, by who decided; away: with 503 while Redis was.",
  );
  for (const { labels, counters } of routes) {
    for (const [limit, { limited }] of counters.rateLimits) {
      for (const decided of ["local", "shared", "away"] as const) {
        const more = { ...labels, limit, decided };
        text.sample("outrigger_rate_limited_total", more, limited[decided]);
      }
    }
  }
  text.family(
    "outrigger_rate_limit_unanswered_total",
    "counter",
    "Requests that the shared Redis gave no answer for in time, whatever became of them.",
  );
  for (const { labels, counters } of routes) {
    for (const [limit, { unanswered }] of counters.rateLimits) {
      text.sample("outrigger_rate_limit_unanswered_total", { ...labels, limit }, unanswered);
    }
  }
  text.family("outrigger_faults_total", "counter", "Faults injected on purpose, by kind.");
  for (const { labels, counters } of routes) {
    for (const [kind, count] of counters.faults) {
      text.sample("outrigger_faults_total", { ...labels, fault: kind }, count);
    }
  }
}

function exemplarsOf(duration: Histogram): (bucket: number) => string {
  return (bucket) => {
    const exemplar = duration.exemplar(bucket);
    return exemplar === null ? "" : exemplarText(exemplar);
  };
}

function writeTries(text: PrometheusText, clusters: readonly Cluster[]): void {
  const tries = "outrigger_upstream_tries_total";
  text.family(tries, "counter", "Tries that got an answer, by its status.");
  for (const { name, counters } of clusters) {
    for (const [code, count] of counters.tries.entries()) {
      text.sample(tries, { cluster: name, code: String(code) }, count);
    }
  }
  const failures = "outrigger_upstream_failures_total";
  text.family(failures, "counter", "Tries that got no answer, by reason.");
  for (const { name, counters } of clusters) {
    for (const [reason, count] of counters.failures) {
      text.sample(failures, { cluster: name, reason }, count);
    }
  }
  const malformed = "outrigger_malformed_responses_total";
  text.family(malformed, "counter", "Malformed answers refused and headers repaired, by reason.");
  for (const { name, counters } of clusters) {
    for (const action of ["refused", "repaired"] as const) {
      for (const [reason, count] of counters.malformed[action]) {
        text.sample(malformed, { cluster: name, action, reason }, count);
      }
    }
  }
  const duration = "outrigger_upstream_try_duration_seconds";
  text.family(duration, "histogram", "From the start of a try to its answer's head.");
  for (const { name, counters } of clusters) {
    const { counts, sumMs } = counters.tryDuration;
    text.histogram(duration, { cluster: name }, BOUNDS_SECONDS, counts, sumMs / 1000);
  }
}

function writeLimits(text: PrometheusText, clusters: readonly Cluster[]): void {
  const overflow = "outrigger_upstream_overflow_total";
  text.family(overflow, "counter", "Requests and retries refused at once, by the limit that was reached.");
  for (const { name, counters } of clusters) {
    for (const limit of ["requests", "pending", "concurrency"] as const) {
      text.sample(overflow, { cluster: name, limit }, counters.overflow.get(limit) ?? 0);
    }
    text.sample(overflow, { cluster: name, limit: "retries" }, counters.retriesOverLimit);
  }
  writeMirrored(text, clusters);
  writeAdaptive(text, clusters);
  const families = [
    ["outrigger_upstream_retries_total", "counter", "Tries after the first.", "retries"],
    [
      "outrigger_upstream_retries_active",
      "gauge",
      "Retries in flight or planned: what the budget bounds.",
      "retriesActive",
    ],
    [
      "outrigger_upstream_retries_over_budget_total",
      "counter",
      "Retries that the budget refused.",
      "retriesOverBudget",
    ],
    ["outrigger_upstream_requests_active", "gauge", "Requests in flight.", "requestsActive"],
    ["outrigger_upstream_pending", "gauge", "Requests that wait for a connection.", "requestsPending"],
    ["outrigger_upstream_connections_active", "gauge", "Open connections.", "connectionsActive"],
    ["outrigger_upstream_connections_total", "counter", "Connections made.", "connectionsTotal"],
    [
      "outrigger_upstream_sent_bytes_total",
      "counter",
      "Bytes of bodies that were sent, with those of retries.",
      "sentBytes",
    ],
    [
      "outrigger_upstream_received_bytes_total",
      "counter",
      "Bytes of answers' bodies, with those that no caller got.",
      "receivedBytes",
    ],
    [
      "outrigger_upstream_no_endpoint_total",
      "counter",
      "Requests that found no endpoint.",
      "noEndpoint",
    ],
  ] as const;
  for (const [name, type, help, field] of families) {
    text.family(name, type, help);
    for (const cluster of clusters) {
      text.sample(name, { cluster: cluster.name }, cluster.counters[field]);
    }
  }
}

function writePools(text: PrometheusText, clusters: readonly Cluster[]): void {
  const idle = "outrigger_upstream_connections_idle";
  text.family(idle, "gauge", "Open connections that wait in the pool for a request.");
  for (const { name, endpoints } of clusters) {
    const count = endpoints.reduce((sum, endpoint) => sum + endpoint.idle.length, 0);
    text.sample(idle, { cluster: name }, count);
  }
}

function writeMirrored(text: PrometheusText, clusters: readonly Cluster[]): void {
  const mirrored = "outrigger_mirrored_total";
  text.family(mirrored, "counter", "Copies of requests, by what became of them.");
  for (const { name, counters } of clusters) {
    for (const [outcome, count] of counters.mirrored) {
      text.sample(mirrored, { cluster: name, outcome }, count);
    }
  }
  const active = "outrigger_mirrored_active";
  text.family(active, "gauge", "Copies of requests in flight.");
  for (const { name, counters } of clusters) {
    if (counters.mirrored.size === 0 && counters.mirrorsActive === 0) continue;
    text.sample(active, { cluster: name }, counters.mirrorsActive);
  }
}

function writeAdaptive(text: PrometheusText, clusters: readonly Cluster[]): void {
  const limited = clusters.filter(({ adaptive }) => adaptive !== null);
  const limit = "outrigger_upstream_concurrency_limit";
  text.family(limit, "gauge", "Requests in flight that the adaptive limit admits.");
  for (const { name, adaptive } of limited) text.sample(limit, { cluster: name }, adaptive!.limit);
  const rtt = "outrigger_upstream_min_rtt_seconds";
  text.family(rtt, "gauge", "A try's time without a queue, as the adaptive limit measured it.");
  for (const { name, adaptive } of limited) {
    text.sample(rtt, { cluster: name }, adaptive!.minRttMs / 1000);
  }
}

function writeHealth(text: PrometheusText, clusters: readonly Cluster[]): void {
  const endpoints = "outrigger_upstream_endpoints";
  text.family(endpoints, "gauge", "Endpoints by state; unhealthy: by checks.");
  for (const { name, endpoints: all } of clusters) {
    const ill = all.filter(({ failsChecks }) => failsChecks).length;
    const ejected = all.filter((one) => one.isEjected && !one.failsChecks).length;
    text.sample(endpoints, { cluster: name, state: "healthy" }, all.length - ill - ejected);
    text.sample(endpoints, { cluster: name, state: "unhealthy" }, ill);
    text.sample(endpoints, { cluster: name, state: "ejected" }, ejected);
  }
  const checks = "outrigger_upstream_health_checks_total";
  text.family(checks, "counter", "Health checks, by their result.");
  for (const cluster of clusters.filter(({ policy }) => policy.health !== undefined)) {
    const { passed, failed } = cluster.checks;
    text.sample(checks, { cluster: cluster.name, result: "passed" }, passed);
    text.sample(checks, { cluster: cluster.name, result: "failed" }, failed);
  }
  const ejections = "outrigger_upstream_ejections_total";
  text.family(ejections, "counter", "Times that an endpoint was left out, by reason.");
  for (const { name, counters } of clusters.filter(({ policy }) => policy.outlier !== undefined)) {
    for (const reason of ["5xx", "gateway-error", "success-rate"] as const) {
      const count = counters.ejections.get(reason) ?? 0;
      text.sample(ejections, { cluster: name, reason }, count);
    }
  }
}

function writeRedis(text: PrometheusText, all: readonly RedisStats[]): void {
  const ready = "outrigger_redis_ready";
  text.family(ready, "gauge", "1 while the connection to a shared Redis works, else 0.");
  for (const { name, state } of all) text.sample(ready, { redis: name }, state === "ready" ? 1 : 0);
  const calls = "outrigger_redis_calls_total";
  text.family(calls, "counter", "Questions to a shared Redis, by what became of them.");
  for (const { name, answeredTotal, failedTotal } of all) {
    text.sample(calls, { redis: name, result: "answered" }, answeredTotal);
    for (const [result, count] of Object.entries(failedTotal)) {
      text.sample(calls, { redis: name, result }, count);
    }
  }
}

/** Nothing where there are none. */
function writeUserFilters(text: PrometheusText, filters: readonly UserFilterStats[]): void {
  if (filters.length === 0) return;
  const calls = "outrigger_filter_calls_total";
  text.family(calls, "counter", "Calls of a user's filter, by hook.");
  for (const { name, callsTotal } of filters) {
    for (const [hook, count] of Object.entries(callsTotal)) {
      if (count > 0) text.sample(calls, { filter: name, hook }, count);
    }
  }
  const errors = "outrigger_filter_errors_total";
  text.family(errors, "counter", "Calls of a user's filter that failed, by reason.");
  for (const { name, errorsTotal } of filters) {
    for (const [reason, count] of Object.entries(errorsTotal)) {
      text.sample(errors, { filter: name, reason }, count);
    }
  }
  const busy = "outrigger_filter_busy_seconds_total";
  text.family(busy, "counter", "Time in which a user's filter kept the thread from all else.");
  for (const { name, busyMs } of filters) text.sample(busy, { filter: name }, busyMs / 1000);
  const whole = "outrigger_filter_seconds_total";
  text.family(whole, "counter", "Time from calls of a user's filter to their ends, with waiting.");
  for (const { name, wholeMs } of filters) text.sample(whole, { filter: name }, wholeMs / 1000);
  const loads = "outrigger_filter_loads_total";
  text.family(loads, "counter", "Times that a user's filter was loaded, by result.");
  for (const { name, loadsTotal, loadFailuresTotal } of filters) {
    text.sample(loads, { filter: name, result: "loaded" }, loadsTotal);
    text.sample(loads, { filter: name, result: "refused" }, loadFailuresTotal);
  }
}

function writeBreakers(text: PrometheusText, clusters: readonly Cluster[]): void {
  const guarded = clusters.filter((cluster) => cluster.breaker !== null);
  text.family("outrigger_breaker_state", "gauge", "0 closed, 1 half-open, 2 open.");
  for (const { name, breaker } of guarded) {
    text.sample("outrigger_breaker_state", { cluster: name }, BREAKER_VALUE[breaker!.state]);
  }
  text.family("outrigger_breaker_transitions_total", "counter", "Changes of the breaker's state.");
  for (const { name, counters } of guarded) {
    for (const to of ["open", "half-open", "closed"] as const) {
      const count = counters.transitions.get(to) ?? 0;
      text.sample("outrigger_breaker_transitions_total", { cluster: name, to }, count);
    }
  }
  text.family("outrigger_breaker_rejected_total", "counter", "Tries that an open breaker refused.");
  for (const { name, counters } of guarded) {
    text.sample("outrigger_breaker_rejected_total", { cluster: name }, counters.rejectedByBreaker);
  }
}
