/**
 * The Snapshot: the whole configuration of one workload's sidecar. `policy` is what the files say,
 * `bindings` is where it happens to run. Plain JSON: written by `compile/`, read by `proxy/`,
 * `pipeline/` and `render/`.
 */
import type { RedisBinding } from "./redis.ts";
import type { TracingBinding, TracingPolicy } from "./tracing.ts";

export interface Snapshot {
  readonly apiVersion: string;
  readonly kind: "Snapshot";
  readonly workload: WorkloadRef;
  /** Hash of policy and bindings, 16 hexadecimal digits. */
  readonly version: string;
  /** Hash of the policy alone: equal on a laptop and on a cluster. */
  readonly policyHash: string;
  readonly policy: WorkloadPolicy;
  readonly bindings: WorkloadBindings;
  /**
   * Which line asked for each part, by JSON pointer (RFC 6901) into the Snapshot, for example
   * `/policy/clusters/api/breaker`. A part without an entry has its nearest parent's. In no hash.
   */
  readonly origins: Readonly<Record<string, Origin>>;
}

export interface WorkloadRef {
  readonly namespace: string;
  readonly name: string;
}

export interface Origin {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** The field, for example `spec.calls.api.breaker`. */
  readonly field: string;
}

// ---------------------------------------------------------------- policy

export interface WorkloadPolicy {
  readonly listeners: Readonly<Record<string, ListenerPolicy>>;
  readonly clusters: Readonly<Record<string, ClusterPolicy>>;
  readonly pipelines: Readonly<Record<string, PipelinePolicy>>;
  readonly accessLog: AccessLogPolicy;
  /** How long a drain waits for streams in flight. */
  readonly drainMs: number;
  /** None where it is missing. */
  readonly overload?: OverloadPolicy;
  /** Missing: nothing is traced; contexts are passed on as they came. */
  readonly tracing?: TracingPolicy;
  /**
   * Where there are users' filters: a process whose event loop stands still for so long is ended.
   */
  readonly filterWatchdogMs?: number;
}

/** When the sidecar itself has more to do than this, new requests are answered 503. */
export interface OverloadPolicy {
  /** Of its resident memory; a part of what its control group allows, else of the machine's. */
  readonly memory: { readonly bytes: number } | { readonly ratio: number };
  readonly eventLoopLagMs: number;
  /** A GET or HEAD of these is let through. */
  readonly keepPaths: readonly string[];
}

export interface ListenerPolicy {
  /** `inbound`: in front of the app. `outbound`: what the app calls. `gateway`: from outside. */
  readonly direction: "inbound" | "outbound" | "gateway";
  readonly protocol: "http";
  readonly routes: readonly RoutePolicy[];
  readonly maxConnections: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  /** Of a request; missing: any size passes. */
  readonly maxBodyBytes?: number;
  /** From the first byte of a request's head to its last. */
  readonly headerTimeoutMs: number;
  /** A connection without a request. */
  readonly idleTimeoutMs: number;
  /** A body of which the caller sends or takes nothing, though it could; 0 and missing: none. */
  readonly bodyTimeoutMs?: number;
  /** Networks of the proxies in front whose X-Forwarded-For is believed; missing: nobody's. */
  readonly trustedHops?: readonly string[];
  /** Callers come by TLS, which ends here; missing: without it. */
  readonly tls?: ListenerTlsPolicy;
}

export interface ListenerTlsPolicy {
  /**
   * By the names that the bindings have for their files. The certificate that is for the name that
   * a caller asks for is shown, else the first.
   */
  readonly certificates: readonly string[];
  readonly minVersion: "1.2" | "1.3";
  /** Of the caller: `request` takes callers without one, and no bad ones. */
  readonly clientCertificate: "none" | "request" | "require";
  /** From the accept to the end of the handshake. */
  readonly handshakeTimeoutMs: number;
}

export interface RoutePolicy {
  /** Unique in its listener; the `route` label of metrics. */
  readonly name: string;
  /** `*` is any, `*.example.com` is any name below, else exact; lower case, without a port. */
  readonly hosts: readonly string[];
  readonly path: PathMatch;
  /** What else a request must be; missing where any will do. */
  readonly match?: RequestMatch;
  /** Empty where a filter answers every request. */
  readonly backends: readonly WeightedBackend[];
  /** Missing: each request is chosen a backend for by itself. */
  readonly sticky?: StickyPolicy;
  /** Missing: nothing is mirrored. */
  readonly mirror?: MirrorPolicy;
  /** The whole request with all its tries; 0 is none. */
  readonly timeoutMs: number;
  /** No byte in either direction; 0 is none. */
  readonly idleTimeoutMs: number;
  readonly retry: RetryPolicy | null;
  readonly fallback: FallbackPolicy | null;
  /** In the order in which a request meets them. */
  readonly filters: readonly FilterPolicy[];
}

export interface PathMatch {
  /**
   * `prefix` matches whole segments: /a matches /a and /a/b, not /ab. `template`: `{name}` is one
   * segment, and a last `*` is all below. `regex`: RE2's syntax, for the whole path.
   */
  readonly kind: "exact" | "prefix" | "template" | "regex";
  readonly value: string;
}

/** All of it has to hold. */
export interface RequestMatch {
  /** One of these; any where it is empty. */
  readonly methods: readonly string[];
  /** Names in lower case. */
  readonly headers: readonly FieldMatch[];
  readonly cookies: readonly FieldMatch[];
  /** Names and values as they are without escapes. */
  readonly query: readonly FieldMatch[];
}

export interface FieldMatch {
  readonly name: string;
  /** `present`: with any value. */
  readonly kind: "exact" | "prefix" | "present";
  /** Empty where `kind` is `present`. */
  readonly value: string;
}

export interface WeightedBackend {
  readonly cluster: string;
  readonly weight: number;
}

/** Who got one of several backends gets the same one again, by a cookie that the proxy sets. */
export interface StickyPolicy {
  readonly cookie: string;
  /** 0: until the browser is closed. */
  readonly ttlMs: number;
}

/** A copy of a part of the requests goes to another cluster; its answers are thrown away. */
export interface MirrorPolicy {
  readonly cluster: string;
  /** The part of the requests, 0 to 1. */
  readonly ratio: number;
  /** Of the copy, from its start. */
  readonly timeoutMs: number;
  /** A request with a larger body is not mirrored. */
  readonly maxBodyBytes: number;
  /** Copies in flight to the cluster, those whose body is still coming among them. */
  readonly maxInFlight: number;
  /** `-shadow` is added to the host's name. */
  readonly shadowHost: boolean;
}

/** The config of the filter `typescript`: a user's own. */
export interface UserFilterPolicy {
  /** By which the bindings have its file; the `filter` label of metrics. */
  readonly name: string;
  /** `open`: where it fails the request goes on without it; `closed`: it is answered 500. */
  readonly onError: "open" | "closed";
  /** Of a hook that returns a promise. */
  readonly timeoutMs: number;
  /** Of hooks that ask for a whole body. */
  readonly maxBodyBytes: number;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface FilterPolicy {
  /** A component's name in proxy/filters/mod.ts. */
  readonly filter: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Envoy's names for what may be tried again. */
export type RetryCondition =
  | "5xx"
  | "gateway-error"
  | "retriable-4xx"
  | "reset"
  | "connect-failure";

export interface RetryPolicy {
  /** Besides the first try. */
  readonly attempts: number;
  readonly on: readonly RetryCondition[];
  /** 0 is none. */
  readonly perTryTimeoutMs: number;
  /** Full jitter: the n-th wait is uniform in [0, min(maxMs, baseMs * 2^n)). */
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  /** Retries in flight are at most this part of the requests in flight ... */
  readonly budgetRatio: number;
  /** ... or this many, whichever is more. */
  readonly budgetMinimum: number;
  /** `idempotent`: GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110, 9.2.2). */
  readonly methods: "idempotent" | "all";
  /** A larger request body is sent once and not tried again. */
  readonly maxBodyBytes: number;
  /**
   * A Retry-After (RFC 9110, 10.2.3) up to this is waited for, and after a longer one there is no
   * retry; 0 and missing: it is not looked at.
   */
  readonly maxRetryAfterMs?: number;
}

/** Why there is no real answer to give. */
export type FallbackTrigger = "open" | "exhausted" | "overflow" | "timeout" | "no-endpoint";

/** Bounds of a route's store of last good answers. */
export interface LastGoodPolicy {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly maxEntries: number;
}

export interface FallbackPolicy {
  /** Given instead of the canned answer where there is one; missing: nothing is stored. */
  readonly lastGood?: LastGoodPolicy;
  readonly on: readonly FallbackTrigger[];
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ClusterPolicy {
  /** `app`: the process beside the sidecar. `call`: another workload. */
  readonly kind: "app" | "call";
  readonly balance: BalancePolicy;
  readonly connectTimeoutMs: number;
  /** An idle pooled connection is closed after this. */
  readonly idleTimeoutMs: number;
  readonly limits: LimitsPolicy;
  readonly breaker: BreakerPolicy | null;
  /** None where it is missing. */
  readonly outlier?: OutlierPolicy;
  /** None where it is missing. */
  readonly health?: HealthCheckPolicy;
  /** `tolerant`: malformed heads of answers are repaired where that is safe; missing: refused. */
  readonly responseValidation?: "tolerant";
  /** Connections and health checks go by TLS; plain ones where it is missing. */
  readonly tls?: ClusterTlsPolicy;
}

export interface ClusterTlsPolicy {
  /** Sent as SNI; the callee's certificate must be for it. */
  readonly serverName: string;
  readonly minVersion: "1.2" | "1.3";
}

export type BalancePolicyName =
  | "round-robin"
  | "least-request"
  | "peak-ewma"
  | "random"
  | "ring-hash"
  | "maglev";

/** Endpoints that fail are left out for a while. */
export interface OutlierPolicy {
  /** Failed tries in a row; 0 is off. */
  readonly consecutive5xx: number;
  /** 502, 503, 504 and no answer, in a row; 0 is off. */
  readonly consecutiveGatewayErrors: number;
  readonly successRate: SuccessRatePolicy | null;
  readonly intervalMs: number;
  /** The n-th ejection lasts n times as long, at most `maxMs`. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** At most this part of the endpoints at once, though one may always be. */
  readonly maxEjectedRatio: number;
}

/** An endpoint whose rate is so many standard deviations below the mean is ejected. */
export interface SuccessRatePolicy {
  readonly minEndpoints: number;
  /** In an interval. */
  readonly minRequests: number;
  readonly deviations: number;
}

/** Every endpoint is asked how it is; who does not answer well is left out. */
export interface HealthCheckPolicy {
  /** A GET of this path; null: a TCP connection that opens is enough. */
  readonly path: string | null;
  /** The Host header; empty: the endpoint's address. */
  readonly host: string;
  readonly statuses: readonly number[];
  /** From the end of one check to the next, a tenth more or less. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Checks in a row that change the verdict. */
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

/** How an endpoint is chosen. A member that is missing is not in force. */
export interface BalancePolicy {
  readonly policy: BalancePolicyName;
  /** The key of `ring-hash` and `maglev`. */
  readonly hashBy?: HashKey;
  /** A new or returning endpoint's share grows from a tenth to all of it in this time. */
  readonly slowStartMs?: number;
  /** When a smaller part is healthy, all are used. Without it: when none is. */
  readonly panicRatio?: number;
  readonly locality?: LocalityPolicy;
  /** Only endpoints with all these labels. */
  readonly subset?: Readonly<Record<string, string>>;
}

/** `name` is a header's (lower case) or a cookie's; empty for `source`. */
export interface HashKey {
  readonly from: "header" | "cookie" | "source";
  readonly name: string;
}

export interface LocalityPolicy {
  /** First this zone, then the others of `failover` in order, then all else. */
  readonly zone: string;
  readonly failover: readonly string[];
  /** A zone serves its whole part while this part of it is healthy. */
  readonly spillRatio: number;
}

/** What is above is answered 503 at once. */
export interface LimitsPolicy {
  readonly maxConnections: number;
  /** Requests that wait for a connection. */
  readonly maxPendingRequests: number;
  /** Requests in flight. */
  readonly maxRequests: number;
  /** Retries in flight or planned; missing: the budget alone bounds them. */
  readonly maxRetries?: number;
  /** Requests in flight as the callee bears them; missing: `maxRequests` alone bounds them. */
  readonly adaptive?: AdaptivePolicy;
}

/** A limit that follows how long tries take; `proxy/cluster/adaptive_limit.ts` says how. */
export interface AdaptivePolicy {
  /** Bounds of the limit; `min` is also what is let in while it measures. */
  readonly min: number;
  readonly max: number;
  /** 0 to 1: which of a window's times counts. */
  readonly percentile: number;
  readonly windowMs: number;
  readonly measureEveryMs: number;
  /** At random up to this part of `measureEveryMs` later. */
  readonly jitterRatio: number;
  readonly measureSamples: number;
  /** So much slower than the minimum is no queue yet, as a part of it. */
  readonly tolerance: number;
}

/** Counts tries. */
export interface BreakerPolicy {
  /** 0 to 1. */
  readonly errorRate: number;
  /** A try whose answer's head took at least this was slow; missing: none is. */
  readonly slowCallMs?: number;
  /** 0 to 1; opens as `errorRate` does, whichever comes first. */
  readonly slowCallRate?: number;
  readonly minRequests: number;
  readonly windowMs: number;
  readonly openMs: number;
  /** Probes at once while half-open; as many successes close it. */
  readonly halfOpenRequests: number;
}

export interface AccessLogPolicy {
  readonly format: "json" | "text" | "off";
  /** Only requests that meet one of these; missing: all. */
  readonly only?: {
    /** Answers of 500 and above, none at all, and whatever has a flag. */
    readonly errors: boolean;
    readonly slowerThanMs?: number;
    /** 0 to 1, by chance. */
    readonly sampleRatio?: number;
  };
}

/** A pipeline as its file says it; component configs are checked by pipeline/'s definitions. */
export interface PipelinePolicy {
  readonly sources: Readonly<Record<string, ComponentPolicy>>;
  readonly steps: readonly StepPolicy[];
  readonly sinks: Readonly<Record<string, SinkPolicy>>;
  /** Examples of its own file: what goes in, what comes out behind the steps. */
  readonly tests?: readonly PipelineTest[] | undefined;
}

export interface PipelineTest {
  readonly name?: string | undefined;
  /** A line as the source would read it, or the fields of an event. */
  readonly in: unknown;
  /** Of which source; the first if missing. */
  readonly source?: string | undefined;
  /** The fields of what comes out, in order; a field that is not named is not looked at. */
  readonly out?: readonly Readonly<Record<string, unknown>>[] | undefined;
  /** The reason for which it is dropped. */
  readonly dropped?: string | undefined;
}

export interface ComponentPolicy {
  readonly component: string;
  /** In the written form: durations as "2s", sizes as "1MiB". */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface StepPolicy extends ComponentPolicy {
  /** Which events it works on; all where it is missing. The others pass it by. */
  readonly from?: FromPolicy | undefined;
  /** An event that the step cannot work on; `keep` (with a field `parse_error`) if missing. */
  readonly onError?: "keep" | "drop" | "deadLetter" | undefined;
  /** With `classify`: which classes give way while a sink pushes back. */
  readonly shed?: { readonly lowestFirst: boolean } | undefined;
}

export interface SinkPolicy extends ComponentPolicy {
  /** Which events it gets; all where it is missing. */
  readonly from?: FromPolicy | undefined;
  readonly buffer?: BufferPolicy | undefined;
  /** An event that the sink refuses for good; `deadLetter` if missing. */
  readonly onError?: "drop" | "deadLetter" | undefined;
}

/** Names of sources, or a condition on the event, or both. */
export type FromPolicy =
  | readonly string[]
  | { readonly sources?: readonly string[] | undefined; readonly when?: string | undefined };

/** What may wait for a sink. */
/** Of what waits on disk for one of several sinks, where the file says nothing of it. */
export const OVERFLOW_BYTES = 256 * 1024 * 1024;

export interface BufferPolicy {
  /** In memory. */
  readonly maxEvents: number;
  readonly maxBytes: number;
  /**
   * Bytes of files below the state folder. Where it is missing in memory; one of several sinks that
   * sends to another program goes on to files of at most 256 MiB, unless `whenFull` is there.
   */
  readonly disk?: number | undefined;
  /** `block` if missing: its sources wait, and so does every other sink of theirs. */
  readonly whenFull?: "block" | "drop" | "dropLowest" | undefined;
  /** When what is written is durable, and acknowledged; `interval` if missing. */
  readonly fsync?: "each" | "interval" | "never" | undefined;
}

// ---------------------------------------------------------------- bindings

export interface WorkloadBindings {
  /** By the listener's name. */
  readonly listeners: Readonly<Record<string, HostPort>>;
  readonly clusters: Readonly<Record<string, ClusterBinding>>;
  readonly admin: AdminBinding;
  /** By pipeline, then by component name: what fills the places that the policy leaves open. */
  readonly pipelines: Readonly<Record<string, PipelineBinding>>;
  /** Folder for checkpoints and the last good Snapshot. */
  readonly stateFolder: string;
  /** Threads of the proxy that take requests, from 2; one where it is missing. */
  readonly workers?: number;
  /** Where limits are shared, by the name that policies use; missing where none is. */
  readonly redis?: Readonly<Record<string, RedisBinding>>;
  /** Absolute paths of users' filters by their names; missing where there are none. */
  readonly filters?: Readonly<Record<string, string>>;
  /** Where spans go; missing where nothing is traced. */
  readonly tracing?: TracingBinding;
  /** Files of the listeners that speak TLS, by the listener's name; missing where none does. */
  readonly tls?: Readonly<Record<string, ListenerTlsBinding>>;
}

/** Absolute paths of PEM files. They are read again when they change. */
export interface ListenerTlsBinding {
  /** By the certificate's name. */
  readonly certificates: Readonly<Record<string, CertificateFiles>>;
  /** Who signs callers' certificates; null where none is asked for. */
  readonly clientCa: string | null;
}

export interface CertificateFiles {
  /** The leaf first, then its intermediates. */
  readonly certificate: string;
  readonly key: string;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface EndpointBinding extends HostPort {
  /** 1 where it is missing. */
  readonly weight?: number;
  readonly zone?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ClusterBinding {
  /** `strict-dns`: every address that the name has is an endpoint, asked again when its TTL ends. */
  readonly discovery: "static" | "strict-dns";
  readonly endpoints: readonly EndpointBinding[];
  /** Bounds of the DNS answer's TTL. */
  readonly refresh: { readonly minMs: number; readonly maxMs: number };
  /** With `ClusterPolicy.tls`. */
  readonly tls?: ClusterTlsBinding;
}

/** Absolute paths of PEM files. They are read again when they change. */
export interface ClusterTlsBinding {
  /** Who signs callees' certificates; the system's roots where it is null. */
  readonly ca: string | null;
  /** Shown to callees that ask for one; null for none. */
  readonly client: CertificateFiles | null;
}

export interface AdminBinding {
  /** Ready, live and metrics, read-only. */
  readonly readOnly: HostPort;
  /** All else: a unix socket with mode 0600. */
  readonly socket: string;
}

export interface PipelineBinding {
  /** Merged over the component's config. */
  readonly sources: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly sinks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** What its relative file names are below: an absolute path; the program's folder without it. */
  readonly folder?: string;
}
