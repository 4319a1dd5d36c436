import type { FaultOrder, FaultStatus } from "../api/fault.ts";
import type { LogLevel } from "../api/log_level.ts";
import type { FailedRequest } from "../api/request_record.ts";
import type { HostPort, Snapshot } from "../api/snapshot.ts";
import type { TapOrder } from "../api/tap.ts";
import type { CaptureOrder } from "../api/capture.ts";
import type { ProxyEvent, ProxyStats } from "../api/stats.ts";
import type { Sighting } from "../api/sighting.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { TokenBuckets } from "../policy/token_bucket.ts";
import { BALANCERS } from "./cluster/balancers/mod.ts";
import { Cluster } from "./cluster/cluster.ts";
import { ClusterTlsStores } from "./cluster/cluster_tls.ts";
import { ProxyContext } from "./context.ts";
import { RuntimeFaults } from "./faults.ts";
import type { Allotment } from "./group/allotment.ts";
import { ClusterShare } from "./group/cluster_share.ts";
import { GroupGauge } from "./group/gauge.ts";
import { GroupBuckets } from "./group/group_buckets.ts";
import type { GroupMember } from "./group/member.ts";
import type { ListenerConfig } from "./listener/config.ts";
import { HttpListener } from "./listener/http_listener.ts";
import { TrustedHops } from "./listener/trusted_hops.ts";
import { TlsStores } from "./listener/listener_tls.ts";
import { LimitStores } from "./limits/limit_stores.ts";
import { Mirror } from "./mirror.ts";
import { shortLimits } from "./process_limits.ts";
import { listenerStats, observedCalls } from "./proxy_stats.ts";
import { QuietCollection } from "./quiet_collection.ts";
import { refusal } from "./refusal.ts";
import { LastGoodStores } from "./route/last_good_stores.ts";
import { Route } from "./route/route.ts";
import { RouteTable } from "./route/route_table.ts";
import { ListenerCounters } from "./telemetry/counters.ts";
import { metricsText } from "./telemetry/metrics.ts";
import { SpanExporter, type SpanTarget, spanTarget } from "./telemetry/span_exporter.ts";
import type { UserFilters } from "./typescript/user_filters.ts";
import type { CaptureTaker } from "./watch/capture.ts";
import type { TapTaker } from "./watch/tap.ts";
import { Tracer } from "./watch/tracer.ts";
import type { Watcher } from "./watch/watch.ts";
import { Watchers } from "./watch/watchers.ts";

export interface ProxyOptions {
  /** Takes lines of the access log and of events; several lines may come as one text. */
  readonly log?: (lines: string) => void;
  /** Takes events in the place of the log. */
  readonly tell?: (event: ProxyEvent) => void;
  /** Gives memory back once a load is over. */
  readonly collectsWhenQuiet?: boolean;
  /** This proxy is one of several that count together; then a Snapshot comes with its allotment. */
  readonly member?: GroupMember;
}

/** A Snapshot that is planned whole: nothing can fail any more. One of the two is called, once. */
export interface PreparedSnapshot {
  commit(): void;
  abandon(): void;
}

export interface DrainOptions {
  /** Another process listens on the same sockets. */
  readonly hasSuccessor: boolean;
}

/** Longer than a request that is on its way when its connection turns out to be idle. */
const DRAIN_IDLE_MS = 250;

/** How long the end waits for the collector to take the last spans. */
const DRAIN_SPANS_MS = 2_000;

/** One data plane: what a Snapshot says, until the next one. */
export class Proxy {
  readonly #world: World;
  readonly #context: ProxyContext;
  readonly #startedMs: number;
  #snapshot: Snapshot | null = null;
  #listeners = new Map<string, HttpListener>();
  #counters = new Map<string, ListenerCounters>();
  #clusters = new Map<string, Cluster>();
  /** No longer in the Snapshot, with requests in flight. */
  readonly #leaving = new Set<HttpListener>();
  readonly #faults: RuntimeFaults;
  readonly #lastGood = new LastGoodStores();
  readonly #limits: LimitStores;
  readonly #tls: TlsStores;
  readonly #clusterTls: ClusterTlsStores;
  readonly #member: GroupMember | null;
  readonly #watchers: Watchers;
  readonly #spans: SpanExporter;
  /** Of the Snapshot in force; null where it traces nothing. */
  #tracer: Tracer | null = null;
  /** Of the Snapshot in force. */
  #allotment: Allotment | null = null;
  /** Of the Snapshot that was prepared last. */
  #planned: Allotment | null = null;
  /** From the first Snapshot on that has filters of its own. */
  #userFilters: UserFilters | null = null;
  /** Grows with each change of the faults. */
  #faultChanges = 0;
  #draining = false;
  #limitsTold = "";
  readonly #collection: QuietCollection | null;

  constructor(world: World, options: ProxyOptions = {}) {
    this.#world = world;
    this.#member = options.member ?? null;
    const log = options.log ?? (() => {});
    this.#context = new ProxyContext(world, log, options.tell);
    this.#watchers = new Watchers(this.#context, {
      log,
      changed: () => this.#setWatchers(),
      version: () => this.#snapshot?.version ?? "",
      isMember: this.#member !== null,
    });
    this.#limits = new LimitStores(this.#context, (identity, rate, maxKeys) => {
      const memory = this.#planned?.buckets[identity];
      if (memory === undefined) return new TokenBuckets(rate, maxKeys);
      return new GroupBuckets(memory.cells, rate, maxKeys, this.#member!);
    });
    this.#tls = new TlsStores(this.#context);
    this.#clusterTls = new ClusterTlsStores(this.#context);
    this.#spans = new SpanExporter(this.#context);
    this.#startedMs = world.clock.now();
    this.#collection = options.collectsWhenQuiet === true ? new QuietCollection(world) : null;
    this.#context.failures.worker = this.#member?.worker ?? 0;
    this.#faults = new RuntimeFaults(world.clock, () => this.#replan("a fault ended by itself"));
  }

  /** The Snapshot in force. */
  get snapshot(): Snapshot | null {
    return this.#snapshot;
  }

  get ready(): boolean {
    return this.#snapshot !== null && !this.#draining;
  }

  /** The port that a listener bound; the binding may have asked for a free one. */
  portOf(listener: string): number {
    return this.#listeners.get(listener)?.port ?? 0;
  }

  /**
   * Puts a Snapshot in force without touching what it leaves as it is: connections of unchanged
   * listeners and clusters live on, and a request in flight ends under the routes that it began with.
   * A Snapshot with filters of its own comes into force later, when their code is loaded.
   * @throws Failure `refused` or `port-in-use`; then nothing has changed.
   */
  apply(snapshot: Snapshot): void | Promise<void> {
    if (snapshot.bindings.filters === undefined) return this.prepare(snapshot).commit();
    return this.loadFilters(snapshot).then(() => this.prepare(snapshot).commit());
  }

  /**
   * Loads the code of the Snapshot's own filters, before it is prepared.
   * @throws Failure `refused` where one that fails closed cannot be used.
   */
  async loadFilters(snapshot: Snapshot): Promise<void> {
    if (snapshot.bindings.filters === undefined) return;
    if (this.#userFilters === null) {
      const { UserFilters } = await import("./typescript/user_filters.ts");
      this.#userFilters ??= new UserFilters(this.#context, {
        changed: (why) => this.#filtersChanged(why),
        member: this.#member,
      });
    }
    try {
      await this.#userFilters.load(snapshot);
    } catch (error) {
      this.#userFilters.keepOnly(this.#snapshot);
      const failure = refusal(error);
      this.#context.events.add("snapshot-refused", snapshot.version, failure.message);
      throw failure;
    }
  }

  /** Requests that come from now on meet the new code; the others end with the code of before. */
  #filtersChanged(why: string): void {
    try {
      this.#planAnew();
    } catch (error) {
      this.#context.events.add("filter-refused", "", `${why}, and is not in force: ${error}`);
    }
  }

  /**
   * The first half of `apply`: of a group's workers all prepare before the first one commits. What
   * is new listens already, and serves who comes in between.
   * @param allotment what the group's workers share under this Snapshot
   * @throws Failure `refused` or `port-in-use`; then nothing has changed.
   */
  prepare(snapshot: Snapshot, allotment: Allotment | null = null): PreparedSnapshot {
    const { policy, bindings } = snapshot;
    const added = new Map<string, Cluster>();
    const opened: HttpListener[] = [];
    const abandon = (): void => {
      for (const listener of opened) listener.terminate();
      for (const cluster of added.values()) cluster.terminate();
      this.#limits.keepOnly(this.#snapshot);
      this.#tls.keepOnly(this.#snapshot);
      this.#clusterTls.keepOnly(this.#snapshot);
      this.#userFilters?.keepOnly(this.#snapshot);
    };
    const faultChanges = this.#faultChanges;
    this.#planned = allotment;
    try {
      const clusters = this.#planClusters(snapshot, allotment, added);
      const spansTo = spanTargetOf(snapshot);
      const tracer =
        spansTo === null ? null : new Tracer(policy.tracing!, this.#context, this.#spans);
      const configs = this.#planListeners(snapshot, allotment, clusters, tracer);
      const listeners = new Map<string, HttpListener>();
      this.#keepListeners(bindings.listeners, configs, listeners);
      for (const [name, config] of configs) {
        if (listeners.has(name)) continue;
        const listener = new HttpListener(config, bindings.listeners[name]!, this.#context);
        opened.push(listener);
        listeners.set(name, listener);
      }
      const commit = (): void => {
        this.#allotment = allotment;
        this.#tracer = tracer;
        if (spansTo !== null) this.#spans.target = spansTo;
        this.#putInForce(snapshot, clusters, configs, listeners);
        this.#context.accessLog.setPolicy(policy.accessLog);
        this.#context.overload.setPolicy(policy.overload ?? null);
        this.#context.events.add("snapshot-applied", snapshot.version, "the Snapshot is in force");
        this.#tellLimits(snapshot);
        if (faultChanges !== this.#faultChanges) this.#planAnew();
        this.#context.scratch.flush();
      };
      return { commit, abandon };
    } catch (error) {
      abandon();
      const failure = refusal(error);
      this.#context.events.add("snapshot-refused", snapshot.version, failure.message);
      throw failure;
    }
  }

  /** Open listeners whose address stays: of the same name first, then renamed ones; each once. */
  #keepListeners(
    addresses: Readonly<Record<string, HostPort>>,
    configs: ReadonlyMap<string, ListenerConfig>,
    kept: Map<string, HttpListener>,
  ): void {
    const free = new Set(this.#listeners.values());
    const keep = (name: string, listener: HttpListener | undefined): void => {
      if (listener === undefined || kept.has(name) || !free.has(listener)) return;
      const { host, port } = addresses[name]!;
      if (listener.address.host !== host || listener.address.port !== port) return;
      kept.set(name, listener);
      free.delete(listener);
    };
    for (const name of configs.keys()) keep(name, this.#listeners.get(name));
    for (const name of configs.keys()) for (const listener of free) keep(name, listener);
  }

  #planClusters(
    snapshot: Snapshot,
    allotment: Allotment | null,
    added: Map<string, Cluster>,
  ): Map<string, Cluster> {
    const clusters = new Map<string, Cluster>();
    for (const [name, policy] of Object.entries(snapshot.policy.clusters)) {
      const binding = snapshot.bindings.clusters[name];
      if (binding === undefined) throw new Failure("refused", `cluster ${name} has no binding`);
      const { policy: balancer } = policy.balance;
      if (!Object.hasOwn(BALANCERS, balancer)) {
        throw new Failure("refused", `cluster ${name}: no balancer is named ${balancer}`);
      }
      const tls = this.#clusterTls.of(snapshot, name);
      let cluster = this.#clusters.get(name);
      if (cluster === undefined) {
        const memory = allotment?.clusters[name];
        const share = memory === undefined ? null : new ClusterShare(memory, this.#member!);
        cluster = new Cluster(name, policy, binding, this.#context, share, tls);
        added.set(name, cluster);
      }
      clusters.set(name, cluster);
    }
    return clusters;
  }

  #planListeners(
    snapshot: Snapshot,
    allotment: Allotment | null,
    clusters: ReadonlyMap<string, Cluster>,
    tracer: Tracer | null,
  ): Map<string, ListenerConfig> {
    const configs = new Map<string, ListenerConfig>();
    const watcher = this.#watchers.with(tracer);
    for (const [name, policy] of Object.entries(snapshot.policy.listeners)) {
      if (snapshot.bindings.listeners[name] === undefined) {
        throw new Failure("refused", `listener ${name} has no binding`);
      }
      const counters = this.#counters.get(name) ?? new ListenerCounters();
      const routes = this.#routes(snapshot, name, clusters, counters);
      const trustedHops = new TrustedHops(policy.trustedHops ?? []);
      const memory = allotment?.listeners[name];
      const connections =
        memory === undefined
          ? null
          : new GroupGauge(new Int32Array(memory), 0, this.#member!.worker);
      const tls = this.#tls.of(snapshot, name, counters.tls);
      const maxBodyBytes = policy.maxBodyBytes ?? Infinity;
      const own = { name, policy, maxBodyBytes, counters, routes };
      configs.set(name, { ...own, trustedHops, connections, tls, watcher });
    }
    return configs;
  }

  #routes(
    snapshot: Snapshot,
    listener: string,
    clusters: ReadonlyMap<string, Cluster>,
    counters: ListenerCounters,
  ): RouteTable {
    const { random } = this.#world;
    const traces = snapshot.policy.tracing !== undefined;
    return new RouteTable(
      snapshot.policy.listeners[listener]!.routes.map((route) => {
        const limits = this.#limits.of(snapshot, listener, route);
        const tools = { random, limits, ...this.#userFilters?.toolsFor(snapshot) };
        const policy = this.#faults.withFault(listener, route);
        const lastGood = this.#lastGood.storeOf(listener, route);
        const mirror =
          policy.mirror === undefined ? null : new Mirror(policy, policy.mirror, clusters);
        return new Route(policy, clusters, counters.route(route.name), { ...tools, traces }, lastGood, mirror);
      }),
    );
  }

  #putInForce(
    snapshot: Snapshot,
    clusters: Map<string, Cluster>,
    configs: Map<string, ListenerConfig>,
    listeners: Map<string, HttpListener>,
  ): void {
    for (const [name, cluster] of this.#clusters) {
      const policy = snapshot.policy.clusters[name];
      if (policy === undefined) cluster.close();
      else {
        const memory = this.#allotment?.clusters[name] ?? null;
        const tls = this.#clusterTls.of(snapshot, name);
        cluster.update(policy, snapshot.bindings.clusters[name]!, memory, tls);
      }
    }
    for (const [name, config] of configs) {
      listeners.get(name)!.config = config;
      this.#counters.set(name, config.counters);
      const kept = new Set(config.policy.routes.map((route) => route.name));
      for (const route of config.counters.routes.keys()) {
        if (route !== "-" && !kept.has(route)) config.counters.routes.delete(route);
      }
    }
    const { drainMs } = snapshot.policy;
    for (const [name, listener] of this.#listeners) {
      if (![...listeners.values()].includes(listener)) this.#retire(listener, drainMs);
      if (!listeners.has(name)) this.#counters.delete(name);
    }
    this.#clusters = clusters;
    this.#lastGood.keepOnly(snapshot.policy.listeners);
    this.#limits.keepOnly(snapshot);
    this.#tls.keepOnly(snapshot);
    this.#clusterTls.keepOnly(snapshot);
    this.#userFilters?.keepOnly(snapshot);
    this.#listeners = listeners;
    this.#snapshot = snapshot;
    this.#context.failures.follow(snapshot);
    this.#setWatchers();
    this.#faults.retain((listener, route) => this.#hasRoute(listener, route));
  }

  /** Where it is another story than the last time. */
  #tellLimits(snapshot: Snapshot): void {
    const text = shortLimits(this.#world, snapshot).join("; ");
    if (text === this.#limitsTold) return;
    this.#limitsTold = text;
    if (text !== "") this.#context.events.add("limits-short", "", text);
  }

  #retire(listener: HttpListener, drainMs: number): void {
    this.#leaving.add(listener);
    void listener.drain(drainMs, DRAIN_IDLE_MS).then(() => this.#leaving.delete(listener));
  }

  // -------------------------------------------------------------- malformed messages

  /** Those that came by lately, the oldest first. @param since leaves out up to this sequence */
  sightings(since = 0): readonly Sighting[] {
    return this.#context.sightings.list(since);
  }

  /** What came by since this was called last: for the group that collects them. */
  takeSightings(): readonly Sighting[] {
    return this.#context.sightings.take();
  }

  // -------------------------------------------------------------- faults at run time

  faults(): readonly FaultStatus[] {
    return this.#faults.list();
  }

  /**
   * Puts a fault in force on a listener or on one of its routes, for requests that come from now on.
   * @throws Failure `refused` where there is no such listener or route.
   */
  setFault(order: FaultOrder): void {
    const { listener, route } = order;
    const policy = this.#snapshot?.policy.listeners[listener];
    if (policy === undefined) {
      const known = [...this.#listeners.keys()].join(", ");
      throw new Failure("refused", `no listener is named ${listener}; there are: ${known}`);
    }
    if (!this.#hasRoute(listener, route)) {
      const known = policy.routes.map(({ name }) => name).join(", ");
      throw new Failure("refused", `${listener} has no route ${route}; there are: ${known}`);
    }
    this.#faults.set(order);
    this.#replan(`a fault is in force on ${listener}${route === null ? "" : ` ${route}`}`);
  }

  /** Returns how many ended. Requests that are held stay so for their time. */
  clearFaults(listener: string | null, route: string | null): number {
    const count = this.#faults.clear(listener, route);
    if (count > 0) this.#replan(`${count} faults cleared`);
    return count;
  }

  #hasRoute(listener: string, route: string | null): boolean {
    const policy = this.#snapshot?.policy.listeners[listener];
    if (policy === undefined) return false;
    return route === null || policy.routes.some(({ name }) => name === route);
  }

  /** The Snapshot in force with the faults of now; requests in flight end as they began. */
  #replan(why: string): void {
    if (this.#snapshot === null) return;
    this.#faultChanges++;
    this.#planAnew();
    this.#context.events.add("faults-changed", "", why);
  }

  #planAnew(): void {
    const [snapshot, tracer] = [this.#snapshot, this.#tracer];
    // A filter's file changed before its Snapshot came into force.
    if (snapshot === null) return;
    const configs = this.#planListeners(snapshot, this.#allotment, this.#clusters, tracer);
    for (const [name, config] of configs) this.#listeners.get(name)!.config = config;
  }

  // -------------------------------------------------------------- looking on

  /** Requests that come from now on pass before its eyes. Returns what ends that. */
  addWatcher(watcher: Watcher): () => void {
    return this.#watchers.add(watcher);
  }

  /** Shows requests that match from now on. Returns what ends that. */
  tap(order: TapOrder, take: TapTaker): () => void {
    return this.#watchers.tap(order, take);
  }

  /** Keeps a part of the requests that match from now on. Returns what ends that. */
  capture(order: CaptureOrder, take: CaptureTaker): () => void {
    return this.#watchers.capture(order, take);
  }

  /**
   * Requests that were refused or failed lately, the newest first: by request id, trace id or key,
   * or the newest of all.
   */
  failures(id: string | null): FailedRequest[] {
    return this.#context.failures.find(id);
  }

  get logLevel(): LogLevel {
    return this.#watchers.logLevel;
  }

  /** Until the process ends. */
  setLogLevel(level: LogLevel): void {
    this.#watchers.logLevel = level;
  }

  #setWatchers(): void {
    const watcher = this.#watchers.with(this.#tracer);
    for (const { config } of this.#listeners.values()) config.watcher = watcher;
  }

  /** Another worker of the group waits for a connection of this cluster. */
  giveRoom(cluster: string): void {
    this.#clusters.get(cluster)?.giveRoom();
  }

  // -------------------------------------------------------------- stats and metrics

  stats(): ProxyStats {
    const usage = this.#world.processes.self.usage();
    const overload = this.#context.overload.stats();
    const redis = this.#limits.stats();
    const filters = this.#userFilters?.stats() ?? [];
    return {
      workload: this.#snapshot?.workload ?? { namespace: "", name: "" },
      version: this.#snapshot?.version ?? "",
      policyHash: this.#snapshot?.policyHash ?? "",
      uptimeMs: this.#world.clock.now() - this.#startedMs,
      draining: this.#draining,
      residentBytes: usage.residentBytes,
      cpuMs: usage.userMs + usage.systemMs,
      listeners: [...this.#listeners.values()].map(listenerStats),
      clusters: [...this.#clusters.values()].map((cluster) => cluster.stats()),
      events: this.#context.events.list(),
      ...(overload === undefined ? {} : { overload }),
      ...(redis.length === 0 ? {} : { redis }),
      ...(filters.length === 0 ? {} : { filters }),
      observed: observedCalls(
        [...this.#listeners.values()],
        this.#snapshot?.workload ?? null,
        this.#context.clock,
      ),
    };
  }

  /** Prometheus text format. */
  metrics(): string {
    const listeners = [...this.#listeners.values()].map((listener) => listener.config);
    const { overload } = this.#context;
    const spans = this.#spans.target === null ? null : this.#spans.counts;
    const clusters = [...this.#clusters.values()];
    const filters = this.#userFilters?.stats() ?? [];
    const redis = this.#limits.stats();
    return metricsText(listeners, clusters, this.#snapshot, overload, spans, redis, filters);
  }

  // -------------------------------------------------------------- end

  /**
   * Accepts no more, lets what is in flight end within the policy's `drainMs`, closes the rest.
   * Where a successor serves already, idle callers may take their time to come over to it.
   */
  async drain({ hasSuccessor }: DrainOptions = { hasSuccessor: false }): Promise<void> {
    if (!this.#draining) {
      this.#draining = true;
      this.#context.events.add("drain-started", "", "no new connections; requests in flight end");
    }
    const withinMs = this.#snapshot?.policy.drainMs ?? 0;
    const idleMs = hasSuccessor ? withinMs : DRAIN_IDLE_MS;
    const all = [...this.#listeners.values(), ...this.#leaving];
    await Promise.all(all.map((listener) => listener.drain(withinMs, idleMs)));
    await this.#spans.drain(DRAIN_SPANS_MS);
    this.close();
  }

  /** Ends everything at once. */
  close(): void {
    for (const listener of [...this.#listeners.values(), ...this.#leaving]) listener.terminate();
    for (const cluster of this.#clusters.values()) cluster.terminate();
    this.#limits.close();
    this.#spans.close();
    this.#tls.keepOnly(null);
    this.#clusterTls.keepOnly(null);
    this.#userFilters?.keepOnly(null);
    this.#faults.clear(null, null);
    this.#context.overload.stop();
    this.#collection?.stop();
    this.#context.accessLog.flush();
  }
}

/** Null where nothing is traced. @throws Failure `refused` where it is not said where spans go. */
function spanTargetOf({ policy, bindings, workload }: Snapshot): SpanTarget | null {
  if (policy.tracing === undefined) return null;
  if (bindings.tracing === undefined) throw new Failure("refused", "tracing has no binding");
  const source = { service: workload.name, namespace: workload.namespace };
  return spanTarget(policy.tracing, bindings.tracing.url, source);
}
