/** What a call, a route or a Mesh's rule says of requests, as the parts of a Snapshot's route. */
import type { AnyDocument } from "../api/document.ts";
import type {
  FallbackPolicy,
  PathMatch,
  RetryPolicy,
  RoutePolicy,
  StickyPolicy,
  WeightedBackend,
} from "../api/snapshot.ts";
import type { RateLimit } from "../api/rate_limit_spec.ts";
import type { Faults } from "../api/fault_spec.ts";
import type { Fallback, Retry } from "../api/traffic.ts";
import type { RequestMatchSpec } from "../api/request_match.ts";
import type { Sticky } from "../api/route_actions.ts";
import type { Path } from "../schema/node.ts";
import { RETRY_BUDGET_MINIMUM } from "./defaults.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";
import { requestMatch, whole } from "./request_match.ts";
import { filtersOf, type RouteRules } from "./route_filters.ts";
import { matchText, pathText } from "./words.ts";

/** The fields that calls, routes and rules share. */
export interface TrafficSpec {
  readonly timeout: number;
  readonly idleTimeout: number;
  readonly retry?: Retry | undefined;
  readonly fallback?: Fallback | undefined;
  readonly rateLimit?: RateLimit | undefined;
  readonly faults?: Faults | undefined;
  /** Of routes and rules only. */
  readonly sticky?: Sticky | undefined;
}

/** Fields with the place where they stand, for origins. */
export interface Written<Spec> {
  readonly document: AnyDocument;
  readonly path: Path;
  readonly spec: Spec;
}

export interface RouteMatch {
  readonly host: string;
  readonly path: PathMatch;
  readonly match?: RequestMatchSpec;
}

/**
 * `/api/*`, `shop.example.com/api/*`, `/items GET`: the label of metrics, and unique in a listener.
 */
export function routeName({ host, path, match }: RouteMatch): string {
  const asks = matchText(requestMatch(match));
  const where = host === "*" ? pathText(path) : `${host}${pathText(path)}`;
  return asks === "" ? where : `${where} ${asks}`;
}

export function routePolicy(
  match: RouteMatch,
  backends: readonly WeightedBackend[],
  traffic: TrafficSpec,
  rules: RouteRules = {},
): RoutePolicy {
  return {
    name: routeName(match),
    hosts: [match.host],
    path: { kind: match.path.kind, value: match.path.value },
    ...whole({ match: requestMatch(match.match) }),
    backends,
    ...whole({ sticky: stickyPolicy(traffic.sticky) }),
    timeoutMs: traffic.timeout,
    idleTimeoutMs: traffic.idleTimeout,
    retry: traffic.retry === undefined ? null : retryPolicy(traffic.retry),
    fallback: traffic.fallback === undefined ? null : fallbackPolicy(traffic.fallback),
    filters: filtersOf(traffic, rules),
  };
}

function retryPolicy(retry: Retry): RetryPolicy {
  return {
    attempts: retry.attempts,
    on: retry.on,
    perTryTimeoutMs: retry.perTryTimeout,
    backoff: { baseMs: retry.backoff.base, maxMs: retry.backoff.max },
    budgetRatio: retry.budget,
    budgetMinimum: RETRY_BUDGET_MINIMUM,
    methods: retry.methods,
    maxBodyBytes: retry.maxBody,
    maxRetryAfterMs: retry.maxRetryAfter,
  };
}

function fallbackPolicy({ on, status, headers, body, lastGood }: Fallback): FallbackPolicy {
  const canned = { on, status, headers, body };
  if (lastGood === undefined) return canned;
  const { maxAge, maxBytes, maxEntries } = lastGood;
  return { ...canned, lastGood: { maxAgeMs: maxAge, maxBytes, maxEntries } };
}

function stickyPolicy(sticky: Sticky | undefined): StickyPolicy | undefined {
  return sticky === undefined ? undefined : { cookie: sticky.cookie, ttlMs: sticky.ttl };
}

const TRAFFIC_MEMBERS = [
  ["sticky", "sticky"],
  ["sticky.cookie", "sticky.cookie"],
  ["sticky.ttlMs", "sticky.ttl"],
  ["timeoutMs", "timeout"],
  ["idleTimeoutMs", "idleTimeout"],
  ["retry", "retry"],
  ["retry.attempts", "retry.attempts"],
  ["retry.on", "retry.on"],
  ["retry.perTryTimeoutMs", "retry.perTryTimeout"],
  ["retry.backoff", "retry.backoff"],
  ["retry.backoff.baseMs", "retry.backoff.base"],
  ["retry.backoff.maxMs", "retry.backoff.max"],
  ["retry.budgetRatio", "retry.budget"],
  ["retry.methods", "retry.methods"],
  ["retry.maxBodyBytes", "retry.maxBody"],
  ["retry.maxRetryAfterMs", "retry.maxRetryAfter"],
  ["fallback", "fallback"],
  ["fallback.on", "fallback.on"],
  ["fallback.lastGood", "fallback.lastGood"],
  ["fallback.lastGood.maxAgeMs", "fallback.lastGood.maxAge"],
  ["fallback.lastGood.maxBytes", "fallback.lastGood.maxBytes"],
  ["fallback.lastGood.maxEntries", "fallback.lastGood.maxEntries"],
  ["fallback.status", "fallback.status"],
  ["fallback.headers", "fallback.headers"],
  ["fallback.body", "fallback.body"],
] as const;

export const TRAFFIC_FIELDS = [
  "timeout",
  "idleTimeout",
  "retry",
  "fallback",
  "rateLimit",
  "faults",
  "sticky",
] as const;
export type TrafficField = (typeof TRAFFIC_FIELDS)[number];

/** Notes where a route's timeouts, retry and fallback came from, or those of some fields. */
export function noteTraffic(
  draft: Draft,
  at: readonly Segment[],
  { document, path, spec }: Written<TrafficSpec>,
  fields: readonly TrafficField[] = TRAFFIC_FIELDS,
): void {
  const members = TRAFFIC_MEMBERS.filter(([, field]) => {
    return fields.some((one) => field === one || field.startsWith(`${one}.`));
  });
  draft.noteMembers(at, document, path, members);
  if (!fields.includes("fallback")) return;
  for (const name of Object.keys(spec.fallback?.headers ?? {})) {
    const inside = ["fallback", "headers", name];
    draft.note([...at, ...inside], document, [...path, ...inside]);
  }
}

const FILTER_MEMBERS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  rate_limit: [
    ["", "rateLimit"],
    ["requests", "rateLimit.requests"],
    ["perMs", "rateLimit.per"],
    ["burst", "rateLimit.burst"],
    ["key", "rateLimit.by"],
    ["key.by", "rateLimit.by"],
    ["key.header", "rateLimit.by.header"],
    ["key.segments", "rateLimit.by.segments"],
    ["key.parameter", "rateLimit.by.parameter"],
    ["key.segment", "rateLimit.by.parameter"],
    ["maxKeys", "rateLimit.maxKeys"],
    ["headers", "rateLimit.headers"],
    ["shared", "rateLimit.shared"],
    ["shared.redis", "rateLimit.shared.redis"],
    ["shared.name", "rateLimit.shared.name"],
    ["shared.timeoutMs", "rateLimit.shared.timeout"],
    ["shared.whenAway", "rateLimit.shared.whenAway"],
  ],
  fault: [
    ["", "faults"],
    ["delay", "faults.delay"],
    ["delay.minMs", "faults.delay.min"],
    ["delay.maxMs", "faults.delay.max"],
    ["delay.minMs", "faults.delay.fixed"],
    ["delay.maxMs", "faults.delay.fixed"],
    ["delay.ratio", "faults.delay.percent"],
    ["abort", "faults.abort"],
    ["abort.status", "faults.abort.status"],
    ["abort.ratio", "faults.abort.percent"],
    ["bandwidth", "faults.bandwidth"],
    ["bandwidth.bytesPerSecond", "faults.bandwidth.rate"],
    ["bandwidth.ratio", "faults.bandwidth.percent"],
    ["headers", "faults.headers"],
    ["maxHeld", "faults.maxHeld"],
  ],
};

/** Notes where filters that a field asked for came from. Call it with the finished route. */
export function noteFilters(
  draft: Draft,
  at: readonly Segment[],
  { filters }: RoutePolicy,
  { document, path }: Pick<Written<unknown>, "document" | "path">,
  fields: readonly TrafficField[] = TRAFFIC_FIELDS,
): void {
  for (const [index, { filter }] of filters.entries()) {
    for (const [member, field] of FILTER_MEMBERS[filter] ?? []) {
      const steps = field.split(".");
      if (!fields.some((one) => one === steps[0])) continue;
      const from = [...path, ...steps];
      const inside = member === "" ? [] : ["config", ...member.split(".")];
      draft.note([...at, "filters", index, ...inside], document, from);
      if (member === "") draft.note([...at, "filters", index, "filter"], document, from);
    }
  }
}
