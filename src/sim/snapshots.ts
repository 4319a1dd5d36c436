import type { RedisBinding } from "../api/redis.ts";
import type { TracingPolicy } from "../api/tracing.ts";
import type {
  AccessLogPolicy,
  ClusterPolicy,
  ClusterTlsBinding,
  EndpointBinding,
  HostPort,
  ListenerPolicy,
  ListenerTlsBinding,
  OverloadPolicy,
  RetryPolicy,
  RoutePolicy,
  Snapshot,
} from "../api/snapshot.ts";

export interface ClusterShape extends Partial<ClusterPolicy> {
  readonly endpoints?: readonly EndpointBinding[];
  /** A name and port to resolve, instead of endpoints. */
  readonly dns?: HostPort;
  readonly refresh?: { readonly minMs: number; readonly maxMs: number };
  /** With `tls`. */
  readonly tlsFiles?: ClusterTlsBinding;
}

export interface RouteShape extends Partial<RoutePolicy> {
  /** The cluster; `app` where it is missing. */
  readonly to?: string;
}

export interface ListenerShape extends Partial<Omit<ListenerPolicy, "routes">> {
  readonly routes?: readonly RouteShape[];
  readonly at?: HostPort;
}

export interface SnapshotShape {
  readonly version?: string;
  readonly listeners?: Readonly<Record<string, ListenerShape>>;
  /** Of the one listener `in`, where `listeners` is missing. */
  readonly listener?: ListenerShape;
  readonly route?: RouteShape;
  readonly clusters?: Readonly<Record<string, ClusterShape>>;
  /** Of the one cluster `app`, where `clusters` is missing. */
  readonly cluster?: ClusterShape;
  readonly accessLog?: AccessLogPolicy["format"] | AccessLogPolicy;
  readonly drainMs?: number;
  readonly redis?: Readonly<Record<string, RedisBinding>>;
  readonly overload?: OverloadPolicy;
  readonly tracing?: Partial<TracingPolicy> & { readonly url: string };
  /** Users' filters: paths by name. */
  readonly filters?: Readonly<Record<string, string>>;
  /** By the listener's name. */
  readonly tls?: Readonly<Record<string, ListenerTlsBinding>>;
}

/** Where the proxy listens, and its first upstreams. */
export const PROXY: HostPort = { host: "10.0.0.1", port: 8080 };
export const upstreamAt = (index: number): HostPort => ({ host: `10.0.1.${index}`, port: 80 });

export const RETRY: RetryPolicy = {
  attempts: 2,
  on: ["5xx", "reset", "connect-failure"],
  perTryTimeoutMs: 0,
  backoff: { baseMs: 25, maxMs: 250 },
  budgetRatio: 0.2,
  budgetMinimum: 3,
  methods: "idempotent",
  maxBodyBytes: 65_536,
};

const TRACING: TracingPolicy = { ratio: 1, exporter: "zipkin", write: ["w3c"] };

/** A Snapshot from what a test cares about; all else is the plainest. */
export function snapshotOf(shape: SnapshotShape = {}): Snapshot {
  const listeners = shape.listeners ?? { in: { routes: [shape.route ?? {}], ...shape.listener } };
  const { url, ...tracing } = { ...TRACING, url: "", ...shape.tracing };
  const clusters = shape.clusters ?? { app: { endpoints: [upstreamAt(1)], ...shape.cluster } };
  return {
    apiVersion: "outrigger.dev/v1alpha1",
    kind: "Snapshot",
    workload: { namespace: "default", name: "shop" },
    version: shape.version ?? "1",
    policyHash: "p",
    origins: {},
    policy: {
      listeners: mapped(listeners, listenerOf),
      clusters: mapped(clusters, clusterOf),
      pipelines: {},
      accessLog:
        typeof shape.accessLog === "object"
          ? shape.accessLog
          : { format: shape.accessLog ?? "off" },
      drainMs: shape.drainMs ?? 5_000,
      ...(shape.overload === undefined ? {} : { overload: shape.overload }),
      ...(shape.tracing === undefined ? {} : { tracing }),
    },
    bindings: {
      listeners: mapped(listeners, ({ at }) => at ?? PROXY),
      clusters: mapped(clusters, ({ endpoints, dns, refresh, tlsFiles }) => ({
        discovery: dns === undefined ? ("static" as const) : ("strict-dns" as const),
        endpoints: dns === undefined ? (endpoints ?? [upstreamAt(1)]) : [dns],
        refresh: refresh ?? { minMs: 1_000, maxMs: 60_000 },
        ...(tlsFiles === undefined ? {} : { tls: tlsFiles }),
      })),
      admin: { readOnly: { host: "10.0.0.1", port: 0 }, socket: "/tmp/admin.sock" },
      pipelines: {},
      stateFolder: "/state",
      ...(shape.redis === undefined ? {} : { redis: shape.redis }),
      ...(shape.tracing === undefined ? {} : { tracing: { url } }),
      ...(shape.tls === undefined ? {} : { tls: shape.tls }),
      ...(shape.filters === undefined ? {} : { filters: shape.filters }),
    },
  };
}

function mapped<From, To>(
  from: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, map(value)]));
}

function listenerOf({ routes, at: _at, ...over }: ListenerShape): ListenerPolicy {
  return {
    direction: "inbound",
    protocol: "http",
    maxConnections: 1_000,
    maxHeaderBytes: 16_384,
    maxHeaders: 100,
    headerTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
    bodyTimeoutMs: 60_000,
    ...over,
    routes: (routes ?? [{}]).map(routeOf),
  };
}

export function routeOf(shape: RouteShape, index = 0): RoutePolicy {
  const { to, ...over } = shape;
  return {
    name: `r${index}`,
    hosts: ["*"],
    path: { kind: "prefix", value: "/" },
    backends: [{ cluster: to ?? "app", weight: 1 }],
    timeoutMs: 0,
    idleTimeoutMs: 0,
    retry: null,
    fallback: null,
    filters: [],
    ...over,
  };
}

function clusterOf(shape: ClusterShape): ClusterPolicy {
  const { endpoints: _e, dns: _d, refresh: _r, tlsFiles: _t, ...over } = shape;
  return {
    kind: "app",
    balance: { policy: "round-robin" },
    connectTimeoutMs: 250,
    idleTimeoutMs: 60_000,
    limits: { maxConnections: 1_000, maxPendingRequests: 1_000, maxRequests: 1_000 },
    breaker: null,
    ...over,
  };
}
