import type {
  ClusterBinding,
  ClusterPolicy,
  EndpointBinding,
  RetryPolicy,
} from "../../api/snapshot.ts";
import type { AdaptiveStats, ClusterStats } from "../../api/stats.ts";
import type { Timer } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";
import type { FailureCode } from "../errors.ts";
import type { ClusterMemory, ClusterShare } from "../group/cluster_share.ts";
import type { Stream } from "../stream.ts";
import { ClusterCounters, increment } from "../telemetry/counters.ts";
import { tryFailed } from "../tries.ts";
import { Http1Upstream } from "../upstream/http1_connection.ts";
import { AdaptiveLimit } from "./adaptive_limit.ts";
import { type Breaker, type BreakerListener, LocalBreaker } from "./breaker.ts";
import type { ClusterTls } from "./cluster_tls.ts";
import { Discovery } from "./discovery.ts";
import type { Endpoint } from "./endpoint.ts";
import { EndpointSet } from "./endpoint_set.ts";
import { retryBudget } from "./retry.ts";

/** While somebody waits here: how often it is looked whether another worker has given up room. */
const ROOM_POLL_MS = 1;

/**
 * The endpoints of one callee with their connections, limits and breaker. A new Snapshot updates it in
 * place: connections and counters of what stays live on.
 */
export class Cluster {
  readonly name: string;
  readonly counters = new ClusterCounters();
  policy: ClusterPolicy;
  /** Null where connections are plain. */
  tls: ClusterTls | null;
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
  /** What all workers of the group count together; null where this proxy is alone. */
  readonly #share: ClusterShare | null;
  /** Room in the group that was taken for the next one who waits. */
  #hasReserved = false;
  /** Gave room to another worker: until the next look those who wait here let others go first. */
  #gaveRoom = false;
  #roomTimer: Timer | null = null;

  constructor(
    name: string,
    policy: ClusterPolicy,
    binding: ClusterBinding,
    context: ProxyContext,
    share: ClusterShare | null = null,
    tls: ClusterTls | null = null,
  ) {
    this.name = name;
    this.policy = policy;
    this.tls = tls;
    this.#context = context;
    this.#share = share;
    this.#endpoints = new EndpointSet(policy, context, {
      tlsTo: (endpoint) => this.tls?.optionsFor(endpoint),
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

  /** @param memory what the group shares of it now */
  update(
    policy: ClusterPolicy,
    binding: ClusterBinding,
    memory: ClusterMemory | null = null,
    tls: ClusterTls | null = null,
  ): void {
    const before = this.policy;
    this.policy = policy;
    // Those that are busy follow when they are released.
    if (tls !== this.tls) this.#drop(this.endpoints);
    this.tls = tls;
    if (this.#share !== null && memory !== null) this.#share.memory = memory;
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
    if (breaker === null) this.breaker = null;
    else if (this.#share !== null) this.breaker = this.#share.makeBreaker(breaker, changed);
    else {
      const now = this.#context.clock.now();
      this.breaker = new LocalBreaker(breaker, now, changed, this.#firstPass);
    }
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
    const { maxRequests: most } = this.policy.limits;
    const share = this.#share;
    if (share === null ? counters.requestsActive >= most : !share.requests.enter(most)) {
      increment(counters.overflow, "requests");
      return "overflow-requests";
    }
    if (this.adaptive !== null && !this.adaptive.admits(counters.requestsActive, nowMs)) {
      if (share !== null) share.requests.leave();
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
    if (this.#share !== null) this.#share.requests.leave();
  }

  /** Whether one more retry may be in flight; if so it counts until its try is judged. */
  takeRetry(policy: RetryPolicy): boolean {
    const { counters } = this;
    const share = this.#share;
    const { maxRetries = Number.POSITIVE_INFINITY } = this.policy.limits;
    const requests = share === null ? counters.requestsActive : share.requests.total;
    const active = share === null ? counters.retriesActive : share.retries.total;
    const budget = retryBudget(policy, requests);
    const most = Math.min(maxRetries, budget);
    if (share === null ? active >= most : !share.retries.enter(most)) {
      if (active >= maxRetries) counters.retriesOverLimit++;
      else counters.retriesOverBudget++;
      return false;
    }
    counters.retries++;
    counters.retriesActive++;
    return true;
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
    if (!this.#takeRoom()) {
      // Another endpoint's idle connection makes room for one to this endpoint.
      const spare = this.endpoints.find((other) => other.idle.length !== 0);
      if (spare === undefined) return this.#wait(stream);
      spare.idle.pop()!.close();
      if (this.#share !== null && !this.#takeRoom()) return this.#wait(stream);
    }
    this.#dial(stream, endpoint);
  }

  /** Whether there may be one more connection. In a group it is counted at once. */
  #takeRoom(): boolean {
    const { maxConnections } = this.policy.limits;
    if (this.#share === null) return this.counters.connectionsActive < maxConnections;
    if (!this.#hasReserved) return this.#share.reserve(maxConnections);
    this.#hasReserved = false;
    return true;
  }

  /**
   * Sends the stream's request once more on a new connection: the idle one was closed under us. The
   * new one takes its place, so that nobody who waits gets there first.
   */
  reconnect(stream: Stream, stale: Http1Upstream): void {
    // In the group's count the new one takes its place too.
    if (this.#connections.delete(stale)) this.counters.connectionsActive--;
    else if (this.#share !== null) this.#share.connections.add(1);
    this.#dial(stream, stale.endpoint);
  }

  /**
   * A connection opened for the stream that asked for it. Where its host left or fell ill meanwhile
   * and another is there, the try begins anew elsewhere: nothing has been sent.
   */
  opened(connection: Http1Upstream, stream: Stream): void {
    const { endpoint } = connection;
    const isLeftOut = endpoint.removed || endpoint.isOut;
    if (!isLeftOut || !this.#endpoints.hasOther(endpoint)) return connection.send(stream);
    // Its room is the stream's own, in the group's count too: nobody who waits gets there first.
    if (this.#connections.delete(connection)) {
      this.counters.connectionsActive--;
      this.#hasReserved = this.#share !== null;
    }
    connection.close();
    this.counters.triesStarted--;
    stream.tries--;
    this.connect(stream);
    this.#freeReserved();
    this.#serveWaiting();
  }

  #wait(stream: Stream): void {
    const { maxPendingRequests: most } = this.policy.limits;
    const share = this.#share;
    if (share === null ? this.counters.requestsPending >= most : !share.pending.enter(most)) {
      increment(this.counters.overflow, "pending");
      return tryFailed(stream, "overflow-pending");
    }
    this.#waiting.push(stream);
    this.counters.requestsPending++;
    if (share === null || this.#roomTimer !== null) return;
    share.askForRoom(this.name);
    this.#lookForRoomSoon();
  }

  /** Other workers make room without telling: a look a millisecond, while somebody waits. */
  #lookForRoomSoon(): void {
    this.#roomTimer = this.#context.clock.after(ROOM_POLL_MS, () => {
      this.#roomTimer = null;
      this.#gaveRoom = false;
      this.#serveWaiting();
      this.#context.scratch.flush();
      if (this.#waiting.length !== 0 && this.#roomTimer === null) this.#lookForRoomSoon();
    });
  }

  /** Another worker waits for a connection: what is idle here makes room for it. */
  giveRoom(): void {
    if (this.#share === null) return;
    let count = this.#share.waitingElsewhere;
    for (const { idle } of this.endpoints) {
      while (count > 0 && idle.length !== 0 && this.#owesRoom()) {
        idle.pop()!.close();
        count--;
      }
    }
  }

  #owesRoom(): boolean {
    const share = this.#share!;
    return share.owesRoom(this.policy.limits.maxConnections, this.#waiting.length !== 0);
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
      if (this.#share !== null) this.#share.retries.leave();
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
    if (this.#share !== null) this.#share.pending.leave();
  }

  // -------------------------------------------------------------- connections

  /** A connection is free again. */
  release(connection: Http1Upstream): void {
    const { endpoint } = connection;
    const isOfBefore = connection.tls !== this.tls;
    if (endpoint.removed || endpoint.isOut || this.#closed || isOfBefore) return connection.close();
    if (this.#share !== null && this.#owesRoom()) {
      this.#gaveRoom = this.#waiting.length !== 0;
      return connection.close();
    }
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
    if (this.#share !== null) this.#share.connections.leave();
    const { idle } = connection.endpoint;
    const index = idle.indexOf(connection);
    if (index >= 0) idle.splice(index, 1);
    this.#serveWaiting();
  }

  #nextWaiting(): Stream | null {
    const stream = this.#waiting.shift();
    if (stream === undefined) return null;
    this.counters.requestsPending--;
    if (this.#share !== null) this.#share.pending.leave();
    return stream;
  }

  #serveWaiting(): void {
    if (this.#gaveRoom) return;
    for (let count = this.#waiting.length; count > 0; count--) {
      if (this.endpoints.length === 0 && this.#discovery.isPending && !this.#closed) return;
      if (this.endpoints.length !== 0) {
        if (!this.#takeRoom()) return;
        this.#hasReserved = this.#share !== null;
      }
      const stream = this.#nextWaiting();
      if (stream !== null) this.connect(stream);
      this.#freeReserved();
    }
  }

  /** Who it was for went another way. */
  #freeReserved(): void {
    if (!this.#hasReserved) return;
    this.#hasReserved = false;
    this.#share!.connections.leave();
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
      ...(counters.mirrored.size === 0
        ? {}
        : { mirroredTotal: Object.fromEntries(counters.mirrored) }),
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
