/** Values of a Snapshot as people say them. */
import type { FaultPolicy } from "../api/fault.ts";
import type { Deny } from "../api/deny_spec.ts";
import type { RateLimitKey, RateLimitPolicy, WhenAway } from "../api/rate_limit.ts";
import { formatPathPattern } from "../api/path_pattern.ts";
import type {
  AdaptivePolicy,
  BreakerPolicy,
  ClusterBinding,
  ClusterTlsPolicy,
  EndpointBinding,
  FallbackPolicy,
  FieldMatch,
  HostPort,
  LimitsPolicy,
  ListenerTlsPolicy,
  PathMatch,
  PipelinePolicy,
  RequestMatch,
  RetryPolicy,
  StickyPolicy,
  WeightedBackend,
} from "../api/snapshot.ts";

/** `250 ms`, `2 s`, `1.5 s`, `5 min`, `2 h`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1000} s`;
}

/** `25%`, `0.1%`: a ratio, without the digits that binary fractions add. */
export function percentText(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(12))}%`;
}

/** `1 retry`, `2 retries`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Brackets around IPv6, as in a URL. */
export function hostPortText({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The notation of the files: `/items`, `/items/*`, `/users/{id}`, `~/v[0-9]+`. */
export function pathText(path: PathMatch): string {
  return formatPathPattern(path);
}

/** `GET,POST x-canary: always cookie plan=gold* ?v=2`; empty where any request will do. */
export function matchText(match: RequestMatch | undefined): string {
  if (match === undefined) return "";
  const valueOf = ({ kind, value }: FieldMatch) => (kind === "exact" ? value : `${value}*`);
  return [
    match.methods.join(","),
    ...match.headers.map((field) => `${field.name}: ${valueOf(field)}`),
    ...match.cookies.map((field) => `cookie ${field.name}=${valueOf(field)}`),
    ...match.query.map((field) => `?${field.name}=${valueOf(field)}`),
  ]
    .filter((part) => part !== "")
    .join(" ");
}

export function retryText(retry: RetryPolicy): string {
  const parts = [`${countText(retry.attempts, "retry", "retries")} on ${retry.on.join(", ")}`];
  if (retry.perTryTimeoutMs > 0) parts.push(`${durationText(retry.perTryTimeoutMs)} a try`);
  parts.push(`at most ${percentText(retry.budgetRatio)} of the requests in flight`);
  if (retry.methods === "all") parts.push("all methods");
  return parts.join(", ");
}

export function fallbackText(fallback: FallbackPolicy): string {
  const triggers = fallback.on.join(", ");
  const size = Buffer.byteLength(fallback.body);
  const body = size === 0 ? "an empty body" : `a body of ${countText(size, "byte")}`;
  const last = fallback.lastGood;
  const first =
    last === undefined
      ? ""
      : `gives the last good answer up to ${durationText(last.maxAgeMs)} old, else `;
  return `${first}answers ${fallback.status} with ${body} on ${triggers}`;
}

export function rateLimitText(policy: RateLimitPolicy): string {
  const { requests, perMs, burst, key, headers, shared } = policy;
  const each = key.by === "route" ? "" : ` by ${limitKeyText(key)}`;
  const parts = [`${countText(requests, "request")} in ${durationText(perMs)}${each}`];
  if (burst !== requests) parts.push(`${burst} at once`);
  if (shared !== undefined) {
    const { redis, name, timeoutMs, whenAway } = shared;
    parts.push(name === undefined ? `shared by ${redis}` : `shared as ${name} by ${redis}`);
    parts.push(`without an answer in ${durationText(timeoutMs)} ${AWAY_TEXT[whenAway]}`);
  }
  if (headers === true) parts.push("told in answers");
  return parts.join(", ");
}

const AWAY_TEXT: Readonly<Record<WhenAway, string>> = {
  allow: "all pass",
  deny: "none passes",
  local: "each counts by itself",
};

function limitKeyText(key: RateLimitKey): string {
  switch (key.by) {
    case "header":
      return `header ${key.header}`;
    case "segments":
      return `the path's first ${countText(key.segments, "segment")}`;
    case "parameter":
      return `{${key.parameter}} of the path`;
    default:
      return key.by;
  }
}

export function faultText({ delay, abort, bandwidth, headers }: FaultPolicy): string {
  const parts: string[] = [];
  if (delay !== null) {
    const { minMs, maxMs, ratio } = delay;
    const length =
      minMs === maxMs ? durationText(minMs) : `${durationText(minMs)} to ${durationText(maxMs)}`;
    parts.push(`delays ${percentText(ratio)} by ${length}`);
  }
  if (abort !== null) parts.push(`answers ${percentText(abort.ratio)} with ${abort.status}`);
  if (bandwidth !== undefined) {
    const { bytesPerSecond, ratio } = bandwidth;
    parts.push(`lets ${percentText(ratio)} of the answers out at ${bytesPerSecond} bytes a second`);
  }
  const wanted = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  if (wanted.length > 0) parts.push(`only with ${wanted.join(", ")}`);
  return parts.join(", ");
}

export function breakerText(breaker: BreakerPolicy): string {
  return (
    `opens at ${percentText(breaker.errorRate)} errors ` +
    (breaker.slowCallMs === undefined
      ? ""
      : `or ${percentText(breaker.slowCallRate ?? 1)} slower than ` +
        `${durationText(breaker.slowCallMs)} `) +
    `of at least ${countText(breaker.minRequests, "try", "tries")} ` +
    `in ${durationText(breaker.windowMs)}, for ${durationText(breaker.openMs)}, ` +
    `then ${countText(breaker.halfOpenRequests, "probe")}`
  );
}

export function limitsText(limits: LimitsPolicy): string {
  return (
    `at most ${countText(limits.maxConnections, "connection")}, ` +
    `${countText(limits.maxRequests, "request")} in flight, ` +
    `${limits.maxPendingRequests} waiting` +
    (limits.maxRetries === undefined
      ? ""
      : `, ${countText(limits.maxRetries, "retry", "retries")}`) +
    (limits.adaptive === undefined ? "" : `, or fewer: what it bears${adaptiveText(limits.adaptive)}`)
  );
}

function adaptiveText({ min, max, windowMs, measureEveryMs }: AdaptivePolicy): string {
  const often = `${durationText(windowMs)}, measured every ${durationText(measureEveryMs)}`;
  return ` (${min} to ${max}, set every ${often})`;
}

/** `by the cookie release for 1 h` */
export function stickyText({ cookie, ttlMs }: StickyPolicy): string {
  return `by the cookie ${cookie}${ttlMs === 0 ? "" : ` for ${durationText(ttlMs)}`}`;
}

/** `GET, PUT from https://shop.example.com, with credentials` */
export function corsText(cors: {
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowCredentials: boolean;
}): string {
  const { allowOrigins, allowMethods, allowCredentials } = cors;
  const origins = allowOrigins.map((origin) => (origin === "*" ? "anywhere" : origin)).join(", ");
  const methods = allowMethods.map((method) => (method === "*" ? "all methods" : method));
  return `${methods.join(", ")} from ${origins}${allowCredentials ? ", with credentials" : ""}`;
}

export function backendsText(backends: readonly WeightedBackend[]): string {
  const total = backends.reduce((sum, backend) => sum + backend.weight, 0);
  if (backends.length < 2) return backends[0]?.cluster ?? "none";
  return backends
    .map(({ cluster, weight }) => {
      return `${cluster} ${total === 0 ? "0%" : percentText(weight / total)}`;
    })
    .join(", ");
}

/** `TLS 1.2 and later by certificate shop, client certificates required`. */
export function tlsText({ certificates, minVersion, clientCertificate }: ListenerTlsPolicy): string {
  const which = `certificate${certificates.length === 1 ? "" : "s"} ${certificates.join(", ")}`;
  const versions = minVersion === "1.2" ? "1.2 and later" : "1.3";
  const wish = clientCertificate === "require" ? "required" : "taken";
  const asked = clientCertificate === "none" ? "" : `, client certificates ${wish}`;
  return `TLS ${versions} by ${which}${asked}`;
}

/** `TLS 1.2 and later to api.shop` */
export function clusterTlsText({ serverName, minVersion }: ClusterTlsPolicy): string {
  return `TLS ${minVersion === "1.2" ? "1.2 and later" : "1.3"} to ${serverName}`;
}

export function pipelineText(pipeline: PipelinePolicy): string {
  const names = (parts: readonly { readonly component: string }[]) =>
    parts.map((part) => part.component).join(", ");
  return [
    `reads ${names(Object.values(pipeline.sources))}`,
    pipeline.steps.length === 0 ? "" : `, ${names(pipeline.steps)}`,
    `, writes to ${names(Object.values(pipeline.sinks))}`,
  ].join("");
}

/** `10.0.0.1:80 (weight 3, zone eu-1, version v2)` */
function endpointText(endpoint: EndpointBinding): string {
  const { weight, zone, labels = {} } = endpoint;
  const known = [
    ...(weight === undefined ? [] : [`weight ${weight}`]),
    ...(zone === undefined ? [] : [`zone ${zone}`]),
    ...Object.entries(labels).map(([name, value]) => `${name} ${value}`),
  ];
  const address = hostPortText(endpoint);
  return known.length === 0 ? address : `${address} (${known.join(", ")})`;
}

export function clusterBindingText(binding: ClusterBinding): string {
  const endpoints = binding.endpoints.map(endpointText).join(", ");
  if (endpoints === "") return "no endpoint";
  return binding.discovery === "strict-dns" ? `${endpoints} (asked of DNS)` : endpoints;
}

/** `DELETE except from 203.0.113.0/24` */
export function denyText({ rules }: { readonly rules: Deny }): string {
  return rules
    .map(({ methods, notFrom }) => {
      const what = methods.length === 0 ? "all" : methods.join(", ");
      return notFrom.length === 0 ? what : `${what} except from ${notFrom.join(", ")}`;
    })
    .join("; ");
}
