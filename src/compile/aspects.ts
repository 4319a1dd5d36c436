/**
 * A policy taken apart into what people talk about: a timeout, a retry, a breaker. `diff` compares
 * these, and a part that only has its defaults is not worth a word when its container appears.
 */
import type {
  ClusterPolicy,
  ListenerPolicy,
  PipelinePolicy,
  RoutePolicy,
  WorkloadPolicy,
} from "../api/snapshot.ts";
import { PLAIN_BALANCE, balanceText } from "./balance.ts";
import { sameJson } from "./canonical.ts";
import * as defaults from "./defaults.ts";
import { healthText, outlierText } from "./health.ts";
import { mirrorText } from "./mirror.ts";
import { accessLogText } from "./access_log.ts";
import { overloadText } from "./overload.ts";
import { tracingText } from "./tracing.ts";
import { type Segment, toPointer } from "./pointer.ts";
import * as words from "./words.ts";

export interface Aspect {
  /** The same in both Snapshots, also where a route moved within its list. */
  readonly key: string;
  /** Into the Snapshot that it was taken from. */
  readonly pointer: string;
  /** `timeout of calls to api` */
  readonly title: string;
  readonly value: unknown;
  /** The value in words. */
  readonly text: string;
  /** It is what would be there anyway: said only when it changes. */
  readonly plain: boolean;
}

/** All aspects of a policy, in the order in which a request meets them. */
export function aspectsOf(policy: WorkloadPolicy): Aspect[] {
  const found: Aspect[] = [];
  for (const [name, listener] of Object.entries(policy.listeners)) {
    found.push(...listenerAspects(name, listener));
  }
  for (const [name, cluster] of Object.entries(policy.clusters)) {
    found.push(...clusterAspects(name, cluster));
  }
  for (const [name, pipeline] of Object.entries(policy.pipelines)) {
    found.push(pipelineAspect(name, pipeline));
  }
  const { accessLog, drainMs } = policy;
  const log = aspect(["policy", "accessLog"], "access log", accessLog, accessLogText(accessLog));
  found.push({ ...log, plain: accessLog.format === "off" });
  const drain = aspect(["policy", "drainMs"], "drain", drainMs, words.durationText(drainMs));
  if (policy.overload !== undefined) {
    const text = overloadText(policy.overload);
    found.push(aspect(["policy", "overload"], "overload shedding", policy.overload, text));
  }
  if (policy.tracing !== undefined) {
    const text = tracingText(policy.tracing);
    found.push(aspect(["policy", "tracing"], "tracing", policy.tracing, text));
  }
  found.push({ ...drain, plain: drainMs === defaults.PLAIN_SIDECAR.drainTimeout });
  return found;
}

function aspect(
  segments: readonly Segment[],
  title: string,
  value: unknown,
  text: string,
  key: readonly Segment[] = segments,
): Aspect {
  const pointer = toPointer(segments);
  return { key: toPointer(key), pointer, title, value, text, plain: false };
}

/** The words for what goes through a listener. */
function traffic(name: string, listener: ListenerPolicy): string {
  switch (listener.direction) {
    case "inbound":
      return "requests to the app";
    case "gateway":
      return "requests from outside";
    case "outbound":
      return `calls to ${name.replace(/^call:/, "")}`;
  }
}

interface Figure {
  readonly field:
    | "maxConnections"
    | "maxHeaderBytes"
    | "maxHeaders"
    | "headerTimeoutMs"
    | "idleTimeoutMs"
    | "maxBodyBytes"
    | "bodyTimeoutMs";
  readonly title: string;
  readonly plain: number | undefined;
  readonly text: (value: number) => string;
}

const { PLAIN_SIDECAR, PLAIN_CALL } = defaults;

const LISTENER_FIGURES: readonly Figure[] = [
  {
    field: "maxConnections",
    title: "connection limit",
    plain: PLAIN_SIDECAR.maxConnections,
    text: String,
  },
  {
    field: "maxHeaderBytes",
    title: "header size limit",
    plain: PLAIN_SIDECAR.maxHeaderBytes,
    text: (bytes) => words.countText(bytes, "byte"),
  },
  { field: "maxHeaders", title: "header limit", plain: PLAIN_SIDECAR.maxHeaders, text: String },
  {
    field: "headerTimeoutMs",
    title: "header timeout",
    plain: PLAIN_SIDECAR.headerTimeout,
    text: words.durationText,
  },
  {
    field: "idleTimeoutMs",
    title: "idle connection timeout",
    plain: PLAIN_SIDECAR.idleTimeout,
    text: words.durationText,
  },
  {
    field: "maxBodyBytes",
    title: "body size limit",
    plain: PLAIN_SIDECAR.maxBody,
    text: (bytes) => words.countText(bytes, "byte"),
  },
  {
    field: "bodyTimeoutMs",
    title: "body timeout",
    plain: PLAIN_SIDECAR.bodyTimeout,
    text: words.durationText,
  },
];

function listenerAspects(name: string, listener: ListenerPolicy): Aspect[] {
  const at: Segment[] = ["policy", "listeners", name];
  const what = traffic(name, listener);
  const { direction, protocol } = listener;
  const found = [
    aspect(at, `listener ${name}`, { direction, protocol }, `${what} go through the sidecar`),
  ];
  for (const [index, route] of listener.routes.entries()) {
    const only = direction === "outbound" || (listener.routes.length === 1 && isPlainRoute(route));
    const title = only ? what : `${what} on ${route.name}`;
    const routes = [...at, "routes"];
    found.push(...routeAspects(route, title, [...routes, index], [...routes, route.name]));
  }
  for (const { field, title, plain, text } of LISTENER_FIGURES) {
    const value = listener[field];
    if (value === undefined) continue;
    const figure = aspect([...at, field], `${title} of ${what}`, value, text(value));
    found.push({ ...figure, plain: value === plain });
  }
  if (listener.tls !== undefined) {
    const text = words.tlsText(listener.tls);
    found.push(aspect([...at, "tls"], `TLS of ${what}`, listener.tls, text));
  }
  if (listener.trustedHops !== undefined) {
    const { trustedHops } = listener;
    const title = `trusted hops of ${what}`;
    found.push(aspect([...at, "trustedHops"], title, trustedHops, trustedHops.join(", ")));
  }
  return found;
}

function isPlainRoute(route: RoutePolicy): boolean {
  const any = route.match === undefined && words.pathText(route.path) === "/*";
  return any && route.hosts.includes("*");
}

function routeAspects(
  route: RoutePolicy,
  what: string,
  at: readonly Segment[],
  key: readonly Segment[],
): Aspect[] {
  const part = (field: keyof RoutePolicy, title: string, text: string): Aspect => {
    return aspect([...at, field], `${title} ${what}`, route[field], text, [...key, field]);
  };
  const { hosts, path, match, timeoutMs, idleTimeoutMs } = route;
  const asks = words.matchText(match);
  const where = `${hosts.join(", ")} ${words.pathText(path)}${asks === "" ? "" : ` ${asks}`}`;
  const found = [
    {
      ...aspect(at, `route of ${what}`, { hosts, path, match }, where, key),
      plain: isPlainRoute(route),
    },
    {
      ...part("backends", "backends of", words.backendsText(route.backends)),
      plain: route.backends.length === 1 && isPlainRoute(route),
    },
  ];
  if (route.sticky !== undefined) {
    found.push(part("sticky", "sticky choice of", words.stickyText(route.sticky)));
  }
  if (route.mirror !== undefined) {
    found.push(part("mirror", "mirror of", mirrorText(route.mirror)));
  }
  if (timeoutMs > 0) {
    found.push(part("timeoutMs", "timeout of", words.durationText(timeoutMs)));
  }
  if (idleTimeoutMs > 0) {
    found.push(part("idleTimeoutMs", "idle timeout of", words.durationText(idleTimeoutMs)));
  }
  if (route.retry !== null) found.push(part("retry", "retry of", words.retryText(route.retry)));
  if (route.fallback !== null) {
    found.push(part("fallback", "fallback of", words.fallbackText(route.fallback)));
  }
  found.push(...filterAspects(route, what, at, key));
  return found;
}

/** Filters that a field of their own asks for, and what the title and the words of each are. */
const FILTER_WORDS: Readonly<Record<string, readonly [string, (config: never) => string]>> = {
  rate_limit: ["rate limit", words.rateLimitText],
  fault: ["faults", words.faultText],
  deny: ["refused requests", words.denyText],
  cors: ["CORS", words.corsText],
  headers: ["header changes", JSON.stringify],
  rewrite: ["rewrite", JSON.stringify],
  redirect: ["redirect", JSON.stringify],
  respond: ["fixed answer", JSON.stringify],
};

function filterAspects(
  { filters }: RoutePolicy,
  what: string,
  at: readonly Segment[],
  key: readonly Segment[],
): Aspect[] {
  const found: Aspect[] = [];
  for (const [index, { filter, config }] of filters.entries()) {
    const said = FILTER_WORDS[filter];
    if (said === undefined) continue;
    const [title, text] = said;
    const pointer = [...at, "filters", index];
    found.push(
      aspect(pointer, `${title} of ${what}`, config, text(config as never), [...key, filter]),
    );
  }
  const rest = filters.filter(({ filter }) => FILTER_WORDS[filter] === undefined);
  const names = rest.map(({ filter }) => filter).join(", ");
  const title = `filters of ${what}`;
  const text = names === "" ? "none" : names;
  const others = aspect([...at, "filters"], title, rest, text, [...key, "filters"]);
  const plain = sameJson(rest.filter(({ filter }) => filter !== "forwarded"), defaults.FILTERS);
  return [...found, { ...others, plain }];
}

function clusterAspects(name: string, cluster: ClusterPolicy): Aspect[] {
  const at: Segment[] = ["policy", "clusters", name];
  const what = cluster.kind === "app" ? "the app" : `calls to ${name}`;
  const { kind, balance, connectTimeoutMs, idleTimeoutMs, limits, breaker } = cluster;
  const found: Aspect[] = [
    { ...aspect(at, `cluster ${name}`, { kind }, what), plain: true },
    {
      ...aspect([...at, "balance"], `balance of ${what}`, balance, balanceText(balance)),
      plain: sameJson(balance, PLAIN_BALANCE),
    },
    {
      ...aspect(
        [...at, "connectTimeoutMs"],
        `connect timeout of ${what}`,
        connectTimeoutMs,
        words.durationText(connectTimeoutMs),
      ),
      plain: connectTimeoutMs === PLAIN_CALL.connectTimeout,
    },
    {
      ...aspect(
        [...at, "idleTimeoutMs"],
        `idle connection timeout of ${what}`,
        idleTimeoutMs,
        words.durationText(idleTimeoutMs),
      ),
      plain: idleTimeoutMs === defaults.CLUSTER_IDLE_TIMEOUT_MS,
    },
    {
      ...aspect([...at, "limits"], `limits of ${what}`, limits, words.limitsText(limits)),
      plain: sameJson(limits, PLAIN_CALL.limits),
    },
  ];
  if (breaker !== null) {
    const text = words.breakerText(breaker);
    found.push(aspect([...at, "breaker"], `breaker of ${what}`, breaker, text));
  }
  const { responseValidation } = cluster;
  if (responseValidation !== undefined) {
    const title = `malformed answers of ${what}`;
    const text = "repaired where that is safe";
    found.push(aspect([...at, "responseValidation"], title, responseValidation, text));
  }
  if (cluster.tls !== undefined) {
    const text = words.clusterTlsText(cluster.tls);
    found.push(aspect([...at, "tls"], `TLS to ${what}`, cluster.tls, text));
  }
  const { outlier, health: checks } = cluster;
  if (checks !== undefined) {
    const text = healthText(checks);
    found.push(aspect([...at, "health"], `health checks of ${what}`, checks, text));
  }
  if (outlier !== undefined) {
    const text = outlierText(outlier);
    found.push(aspect([...at, "outlier"], `outlier ejection of ${what}`, outlier, text));
  }
  return found;
}

function pipelineAspect(name: string, pipeline: PipelinePolicy): Aspect {
  const text = words.pipelineText(pipeline);
  return aspect(["policy", "pipelines", name], `log adapter ${name}`, pipeline, text);
}
