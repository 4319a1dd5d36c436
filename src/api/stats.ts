/**
 * What a proxy has counted since it started: the admin API's `GET /stats`, read by `up`'s table, the
 * console and `status`. All counters only grow; a rate is the difference of two readings.
 */
import type { WorkloadRef } from "./snapshot.ts";

export interface ProxyStats {
  readonly workload: WorkloadRef;
  readonly version: string;
  readonly policyHash: string;
  readonly uptimeMs: number;
  readonly draining: boolean;
  readonly residentBytes: number;
  readonly cpuMs: number;
  readonly listeners: readonly ListenerStats[];
  readonly clusters: readonly ClusterStats[];
  /** The newest last; at most 256. */
  readonly events: readonly ProxyEvent[];
  /** Missing where nothing bounds it. */
  readonly overload?: OverloadStats;
  /** Missing where there is one, in the sidecar's own thread. */
  readonly workers?: WorkersStats;
  /** Where shared limits are kept; missing where none is. */
  readonly redis?: readonly RedisStats[];
  /** Missing where there are none. */
  readonly filters?: readonly UserFilterStats[];
  /** Every call that came by, declared or not; missing from a proxy of an older version. */
  readonly observed?: readonly ObservedCall[];
}

/** At most 256 hosts a listener are told apart; further ones count under the host `*`. */
export interface ObservedCall {
  /** The proxy's own workload, or null where the call came to it from elsewhere. */
  readonly from: WorkloadRef | null;
  readonly listener: string;
  /** As the caller named it: lower case, with its port. */
  readonly host: string;
  /** Empty where no route led anywhere. */
  readonly cluster: string;
  readonly count: number;
  /** Wall clock. */
  readonly lastSeenMs: number;
}

/** The threads of a proxy that runs in several; everything else here counts over all of them. */
export interface WorkersStats {
  readonly wanted: number;
  /** That take requests now. */
  readonly running: number;
  /** How often one ended or stood still, and was replaced. */
  readonly restartsTotal: number;
  /** Of those that run: the system spreads connections over them, by chance. */
  readonly each: readonly WorkerStats[];
}

/** Since this one started. */
export interface WorkerStats {
  /** From 0. */
  readonly worker: number;
  readonly connectionsActive: number;
  readonly connectionsTotal: number;
}

/** How the sidecar itself bears its load. */
export interface OverloadStats {
  /** Why new requests are refused now, or null. */
  readonly shedding: "memory" | "event-loop" | null;
  readonly shedTotal: number;
  /** Of the last tenth of a second. */
  readonly eventLoopLagMs: number;
  /** Null where nobody says how much memory there is. */
  readonly maxBytes: number | null;
}

/** A Redis that limits are shared by. */
export interface RedisStats {
  /** As policies name it. */
  readonly name: string;
  /** `away`: the last connection broke, and there is no new one yet. */
  readonly state: "connecting" | "ready" | "away";
  readonly answeredTotal: number;
  /** Questions without an answer: not connected, too many waiting, too late, refused by Redis. */
  readonly failedTotal: Readonly<Record<"away" | "overflow" | "timeout" | "error", number>>;
}

/** A filter that a user wrote. */
export interface UserFilterStats {
  readonly name: string;
  /** By hook, for example `onRequest`. */
  readonly callsTotal: Readonly<Record<string, number>>;
  /** By reason: `threw`, `timeout`, `returned`, `uncaught`. */
  readonly errorsTotal: Readonly<Record<string, number>>;
  /** In which its hooks kept the thread; what follows an `await` is not in it. */
  readonly busyMs: number;
  /** From calls to their ends, waiting included. */
  readonly wholeMs: number;
  readonly loadsTotal: number;
  readonly loadFailuresTotal: number;
}

export interface ListenerStats {
  readonly name: string;
  readonly direction: "inbound" | "outbound" | "gateway";
  readonly connectionsActive: number;
  readonly connectionsTotal: number;
  /** Requests that could not be parsed. */
  readonly malformedTotal: number;
  /** Missing where callers come without TLS. */
  readonly tls?: ListenerTlsStats;
  readonly routes: readonly RouteStats[];
}

export interface ListenerTlsStats {
  readonly handshakesTotal: number;
  /** By reason, for example `not-tls`. */
  readonly failuresTotal: Readonly<Record<string, number>>;
  readonly reloadsTotal: number;
  readonly reloadFailuresTotal: number;
  readonly certificates: readonly CertificateStats[];
}

export interface CertificateStats {
  /** As the policy names it. */
  readonly name: string;
  readonly subject: string;
  /** Wall clock. */
  readonly notAfterMs: number;
  /** SHA-256, in hexadecimal digits. */
  readonly fingerprint: string;
}

export interface RouteStats {
  readonly name: string;
  readonly active: number;
  /** Final answers by class of status, as the caller saw them; index 0 is no answer at all. */
  readonly answersByClass: readonly [number, number, number, number, number, number];
  readonly fallbacksTotal: number;
  /** By the limit's name, once it did something; missing where none did. */
  readonly rateLimits?: Readonly<Record<string, RateLimitStats>>;
  readonly duration: HistogramStats;
}

export interface RateLimitStats {
  /** Requests that it refused, by who decided; `away`: with 503 while the shared Redis was. */
  readonly limited: Readonly<Record<"local" | "shared" | "away", number>>;
  /** Requests that the shared Redis gave no answer for in time, whatever became of them. */
  readonly unanswered: number;
}

export interface HistogramStats {
  /** Upper bounds in milliseconds; the last bucket has none. */
  readonly boundsMs: readonly number[];
  /** Cumulative over time, not over buckets; one longer than `boundsMs`. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

export interface ClusterStats {
  readonly name: string;
  readonly kind: "app" | "call";
  /** `none` where the policy has no breaker. */
  readonly breaker: "none" | "closed" | "open" | "half-open";
  readonly requestsActive: number;
  readonly requestsPending: number;
  readonly connectionsActive: number;
  /** Tries sent to an endpoint, retries among them. */
  readonly triesTotal: number;
  readonly triesFailedTotal: number;
  readonly retriesTotal: number;
  /** Refused here without a try: a limit, an open breaker, no endpoint. */
  readonly overflowTotal: number;
  readonly rejectedByBreakerTotal: number;
  readonly noEndpointTotal: number;
  /** Copies of requests by what became of them; missing where none was mirrored here. */
  readonly mirroredTotal?: Readonly<Partial<Record<MirrorOutcome, number>>>;
  /** Missing where there is no adaptive limit. */
  readonly adaptive?: AdaptiveStats;
  readonly endpoints: readonly EndpointStats[];
}

/**
 * `ok`: an answer below 500; `error`: any other; `failed`: none. Not sent: `overflow` (too many in
 * flight), `body-too-large`, `incomplete` (the original ended before its body did).
 */
export type MirrorOutcome =
  | "ok"
  | "error"
  | "failed"
  | "overflow"
  | "body-too-large"
  | "incomplete";

/** How many requests in flight the callee bears, as far as is known. */
export interface AdaptiveStats {
  readonly limit: number;
  /** Of a try without a queue; 0 until it was measured. */
  readonly minRttMs: number;
  readonly measuring: boolean;
  readonly rejectedTotal: number;
}

export interface EndpointStats {
  readonly address: string;
  readonly port: number;
  /** Of the balancing; less than what was written while it starts slowly. */
  readonly weight: number;
  /** Empty where none was given. */
  readonly zone: string;
  /** By its health checks; true where there are none. */
  readonly healthy: boolean;
  /** Left out for a while because its tries failed. */
  readonly ejected: boolean;
  readonly active: number;
  readonly triesTotal: number;
  readonly triesFailedTotal: number;
}

export interface ProxyEvent {
  /** Wall clock. */
  readonly timeMs: number;
  readonly kind:
    | "snapshot-applied"
    | "snapshot-refused"
    | "breaker-opened"
    | "breaker-half-open"
    | "breaker-closed"
    | "endpoints-changed"
    | "name-unresolved"
    | "endpoint-ejected"
    | "endpoint-returned"
    | "endpoint-unhealthy"
    | "endpoint-healthy"
    | "drain-started"
    | "certificate-loaded"
    | "certificate-refused"
    | "certificate-expires"
    | "handshakes-failed"
    | "overload-started"
    | "overload-ended"
    | "redis-away"
    | "redis-back"
    | "collector-away"
    | "collector-back"
    | "faults-changed"
    | "filter-loaded"
    | "filter-refused"
    | "filter-failed"
    | "malformed-response"
    | "limits-short"
    | "limits-reached"
    | "worker-ended"
    | "worker-started";
  /** A cluster or listener name, or empty. */
  readonly subject: string;
  readonly text: string;
}
