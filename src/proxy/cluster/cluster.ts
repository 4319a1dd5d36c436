import type { ClusterBinding, ClusterPolicy, EndpointBinding } from "../../api/snapshot.ts";
import type { AdaptiveStats, ClusterStats } from "../../api/stats.ts";
import type { ProxyContext } from "../context.ts";
import type { FailureCode } from "../errors.ts";
import type { Stream } from "../stream.ts";
import { ClusterCounters, increment } from "../telemetry/counters.ts";
import { tryFailed } from "../tries.ts";
import { Http1Upstream } from "../upstream/http1_connection.ts";
import { AdaptiveLimit } from "./adaptive_limit.ts";
import { type Breaker, type BreakerListener, LocalBreaker } from "./breaker.ts";
import { Discovery } from "./discovery.ts";
import type { Endpoint } from "./endpoint.ts";
import { EndpointSet } from "./endpoint_set.ts";

/**
 * The endpoints of one callee with their connections, limits and breaker. A new Snapshot updates it in
 * place: connections and counters of what stays live on.
 */
export class Cluster {
  readonly name: string;
  readonly counters = new ClusterCounters();
  policy: ClusterPolicy;
  breaker: Breaker | null = null;
  adaptive: AdaptiveLimit | null = null;
  readonly #context: ProxyContext;
  readonly #endpoints: EndpointSet;
  readonly #discovery: Discovery;
  readonly #connections = new Set<Http1Upstream>();
  /** Streams that wait for a connection, oldest first; bounded by `maxPendingRequests`. */
  readonly #waiting: Stream[] = [];
  #closed = false;
  /** Of the next breaker: passes of one that was replaced say nothing to it. */
  #firstPass = 1;

  constructor(name: string, policy: ClusterPolicy, binding: ClusterBinding, context: ProxyContext) {
    this.name = name;
    this.policy = policy;
    this.#context = context;
    this.#endpoints = new EndpointSet(policy, context, {
      ejected: (endpoint, reason, forMs, detail) => {
        increment(this.counters.ejections, reason);
        const text = `${endpoint.key} is left out for ${forMs / 1000} s: ${detail}`;
        context.events.add("endpoint-ejected", name, text);
      },
      returned: ({ key }) => context.events.add("endpoint-returned", name, `${key} is back`),
      checked: ({ key }, isWell, detail) => {
        const kind = isWell ? "endpoint-healthy" : "endpoint-unhealthy";
        context.events.add(kind, name, `${key} is ${isWell ? "well" : "ill"}: ${detail}`);
      },
      out: (endpoints) => this.#drop(endpoints),
    });
    this.#discovery = new Discovery(name, context, (addresses) => this.#setEndpoints(addresses));
    this.#makeBreaker();
    this.#makeAdaptive();
    this.#discovery.follow(binding);
  }

  /** Health checks so far, by their result. */
  get checks(): { readonly passed: number; readonly failed: number } {
    return this.#endpoints.checks;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints.all;
  }

  update(policy: ClusterPolicy, binding: ClusterBinding): void {
    const before = this.policy;
    this.policy = policy;
    if (!sameJson(policy.breaker, before.breaker)) this.#makeBreaker();
    if (!sameJson(policy.limits.adaptive, before.limits.adaptive)) this.#makeAdaptive();
    this.#drop(this.#endpoints.setPolicy(policy));
    this.#discovery.follow(binding);
    // There may be room for more connections now.
    this.#serveWaiting();
  }

  /** No route leads here any more: what is in flight ends, with its retries; the rest is closed. */
  close(): void {
    this.#closed = true;
    this.#discovery.stop();
    this.#endpoints.stop();
    for (const { idle } of this.endpoints) {
      for (const connection of idle.splice(0)) connection.close();
    }
    // Who waits for a name's first answer waits in vain.
    if (this.endpoints.length === 0) this.#serveWaiting();
  }

  /** Closes every connection at once. */
  terminate(): void {
    this.close();
    this.#setEndpoints([]);
    for (const connection of [...this.#connections]) connection.terminate();
  }

  #makeBreaker(): void {
    const { breaker } = this.policy;
    const changed: BreakerListener = (to, rate, cause) => {
      increment(this.counters.transitions, to);
      const { kind, text } = BREAKER_EVENTS[to];
      const were = cause === "slow" ? "were slow" : "failed";
      const why = to === "open" ? ` (${Math.round(rate * 100)}% of tries ${were})` : "";
      this.#context.events.add(kind, this.name, text + why);
    };
    this.#firstPass = this.breaker?.nextPass ?? this.#firstPass;
    const now = this.#context.clock.now();
    this.breaker =
      breaker === null ? null : new LocalBreaker(breaker, now, changed, this.#firstPass);
  }

  #makeAdaptive(): void {
    const { adaptive } = this.policy.limits;
    const { random, clock } = this.#context;
    this.adaptive = adaptive === undefined ? null : new AdaptiveLimit(adaptive, random, clock.now());
  }

  #setEndpoints(addresses: readonly EndpointBinding[]): void {
    this.#drop(this.#endpoints.setAddresses(addresses));
    this.#serveWaiting();
  }

  /** Nothing more is sent there. */
  #drop(endpoints: readonly Endpoint[]): void {
    for (const { idle } of endpoints) {
      for (const connection of idle.splice(0)) connection.close();
    }
  }

  // -------------------------------------------------------------- requests

  /** Takes a request in (`leave` follows), or says why not. */
  admit(nowMs: number): FailureCode | null {
    const { counters } = this;
    if (counters.requestsActive >= this.policy.limits.maxRequests) {
      increment(counters.overflow, "requests");
      return "overflow-requests";
    }
    if (this.adaptive !== null && !this.adaptive.admits(counters.requestsActive, nowMs)) {
      increment(counters.overflow, "concurrency");
      return "overflow-concurrency";
    }
    counters.requestsActive++;
    return null;
  }

  leave(stream: Stream): void {
    this.judge(stream, 0, null);
    this.#endTry(stream);
    this.counters.requestsActive--;
  }

  /** Finds the stream's try an endpoint and a connection, now or later; or fails it. */
  connect(stream: Stream): void {
    this.#endTry(stream);
    if (this.endpoints.length === 0) {
      if (this.#discovery.isPending && !this.#closed) return this.#wait(stream);
      this.counters.noEndpoint++;
      return tryFailed(stream, "no-endpoint");
    }
    const endpoint = this.#endpoints.pick(stream)!;
    const connection = endpoint.idle.pop();
    if (connection !== undefined) return this.#assign(stream, connection);
    if (this.counters.connectionsActive >= this.policy.limits.maxConnections) {
      // Another endpoint's idle connection makes room for one to this endpoint.
      const spare = this.endpoints.find((other) => other.idle.length !== 0);
      if (spare === undefined) return this.#wait(stream);
      spare.idle.pop()!.close();
    }
    this.#dial(stream, endpoint);
  }

  /**
   * Sends the stream's request once more on a new connection: the idle one was closed under us. The
   * new one takes its place, so that nobody who waits gets there first.
   */
  reconnect(stream: Stream, stale: Http1Upstream): void {
    if (this.#connections.delete(stale)) this.counters.connectionsActive--;
    this.#dial(stream, stale.endpoint);
  }

  #wait(stream: Stream): void {
    if (this.counters.requestsPending >= this.policy.limits.maxPendingRequests) {
      increment(this.counters.overflow, "pending");
      return tryFailed(stream, "overflow-pending");
    }
    this.#waiting.push(stream);
    this.counters.requestsPending++;
  }

  #open(stream: Stream, endpoint: Endpoint): void {
    stream.endpoint = endpoint;
    stream.endpointIsBusy = true;
    stream.tries++;
    endpoint.active++;
    endpoint.tries++;
    this.counters.triesStarted++;
  }

  #assign(stream: Stream, connection: Http1Upstream): void {
    this.#open(stream, connection.endpoint);
    connection.send(stream);
  }

  #dial(stream: Stream, endpoint: Endpoint): void {
    if (!stream.endpointIsBusy) this.#open(stream, endpoint);
    const connection = new Http1Upstream(this, endpoint, this.#context);
    this.#connections.add(connection);
    this.counters.connectionsActive++;
    this.counters.connectionsTotal++;
    connection.dial(stream);
  }

  /**
   * Accounts for a try's outcome, once. Status 0 without a code: it said nothing of the endpoint.
   */
  judge(stream: Stream, status: number, code: FailureCode | null): void {
    const { counters } = this;
    if (stream.tryIsRetry) {
      stream.tryIsRetry = false;
      counters.retriesActive--;
    }
    if (!stream.tryOpen) return;
    stream.tryOpen = false;
    const now = this.#context.clock.now();
    const failed = status >= 500 || code !== null;
    if (stream.breakerPass !== 0) {
      if (status === 0 && code === null) this.breaker?.release(stream.breakerPass);
      else {
        this.breaker?.record(stream.breakerPass, now, failed, now - stream.tryStartedMs);
      }
      stream.breakerPass = 0;
    }
    if (failed) {
      counters.triesFailed++;
      stream.endpoint!.triesFailed++;
    }
    if (stream.endpoint !== null && (status !== 0 || code !== null)) {
      this.#endpoints.record(stream.endpoint, status);
    }
    if (code !== null) increment(counters.failures, code);
    if (status !== 0) {
      counters.tries.add(status);
      counters.tryDuration.observe(now - stream.tryStartedMs);
      this.#endpoints.observe(stream.endpoint!, now - stream.tryStartedMs, now);
    }
    // A failure is often faster than work; only a timeout says how long the callee takes.
    if (this.adaptive !== null && (failed ? TIMEOUTS.has(code) : status !== 0)) {
      this.adaptive.record(now - stream.tryStartedMs, now);
    }
  }

  #endTry(stream: Stream): void {
    if (!stream.endpointIsBusy) return;
    stream.endpointIsBusy = false;
    stream.endpoint!.active--;
  }

  /** The stream gave up: it neither waits nor counts any more. */
  forget(stream: Stream): void {
    const index = this.#waiting.indexOf(stream);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.counters.requestsPending--;
  }

  // -------------------------------------------------------------- connections

  /** A connection is free again. */
  release(connection: Http1Upstream): void {
    const { endpoint } = connection;
    if (endpoint.removed || endpoint.isOut || this.#closed) return connection.close();
    // Who waits first was just here: the room goes to a connection elsewhere.
    const isSecondTry = this.#waiting[0]?.endpoint === endpoint;
    if (isSecondTry && this.#endpoints.hasOther(endpoint)) return connection.close();
    const stream = this.#nextWaiting();
    if (stream !== null) return this.#assign(stream, connection);
    endpoint.idle.push(connection);
    this.#context.timeouts.list(this.policy.idleTimeoutMs).arm(connection.timeout);
  }

  /** A connection is gone. */
  closed(connection: Http1Upstream): void {
    if (!this.#connections.delete(connection)) return;
    this.counters.connectionsActive--;
    const { idle } = connection.endpoint;
    const index = idle.indexOf(connection);
    if (index >= 0) idle.splice(index, 1);
    this.#serveWaiting();
  }

  #nextWaiting(): Stream | null {
    const stream = this.#waiting.shift();
    if (stream === undefined) return null;
    this.counters.requestsPending--;
    return stream;
  }

  #serveWaiting(): void {
    for (let count = this.#waiting.length; count > 0; count--) {
      const isFull = this.counters.connectionsActive >= this.policy.limits.maxConnections;
      if (isFull && this.endpoints.length !== 0) return;
      if (this.endpoints.length === 0 && this.#discovery.isPending && !this.#closed) return;
      const stream = this.#nextWaiting();
      if (stream === null) return;
      this.connect(stream);
    }
  }

  stats(): ClusterStats {
    const { counters } = this;
    return {
      name: this.name,
      kind: this.policy.kind,
      breaker: this.breaker === null ? "none" : this.breaker.state,
      requestsActive: counters.requestsActive,
      requestsPending: counters.requestsPending,
      connectionsActive: counters.connectionsActive,
      triesTotal: counters.triesStarted,
      triesFailedTotal: counters.triesFailed,
      retriesTotal: counters.retries,
      overflowTotal: [...counters.overflow.values()].reduce((sum, count) => sum + count, 0),
      rejectedByBreakerTotal: counters.rejectedByBreaker,
      noEndpointTotal: counters.noEndpoint,
      ...(this.adaptive === null ? {} : { adaptive: adaptiveStats(this.adaptive, counters) }),
      endpoints: this.endpoints.map((endpoint) => ({
        address: endpoint.address,
        port: endpoint.port,
        weight: endpoint.share,
        zone: endpoint.zone,
        healthy: !endpoint.failsChecks,
        ejected: endpoint.isEjected,
        active: endpoint.active,
        triesTotal: endpoint.tries,
        triesFailedTotal: endpoint.triesFailed,
      })),
    };
  }
}

const TIMEOUTS: ReadonlySet<FailureCode | null> = new Set<FailureCode>([
  "per-try-timeout",
  "timeout",
  "idle-timeout",
]);

function adaptiveStats(adaptive: AdaptiveLimit, counters: ClusterCounters): AdaptiveStats {
  return {
    limit: adaptive.limit,
    minRttMs: adaptive.minRttMs,
    measuring: adaptive.isMeasuring,
    rejectedTotal: counters.overflow.get("concurrency") ?? 0,
  };
}

function sameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

const BREAKER_EVENTS = {
  open: { kind: "breaker-opened", text: "the circuit breaker opened" },
  "half-open": { kind: "breaker-half-open", text: "the circuit breaker lets probes through" },
  closed: { kind: "breaker-closed", text: "the circuit breaker closed" },
} as const;
