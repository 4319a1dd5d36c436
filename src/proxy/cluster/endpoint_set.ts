import type { BalancePolicy, ClusterPolicy, EndpointBinding } from "../../api/snapshot.ts";
import type { Timer, TlsClientOptions } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";
import type { Stream } from "../stream.ts";
import type { Balancer, BalancerComponent } from "./balancers/balancer.ts";
import { mix } from "./balancers/hash.ts";
import { BALANCERS } from "./balancers/mod.ts";
import { Endpoint } from "./endpoint.ts";
import { HealthChecks } from "./health_checks.ts";
import { type OutlierListener, Outliers } from "./outliers.ts";
import { requestHash } from "./request_hash.ts";

/** Slow start goes in so many steps. */
const SLOW_STEPS = 10;

/** What the cluster is told. */
export interface EndpointListener extends Omit<OutlierListener, "reviewed"> {
  /** Its checks find it well, or no longer. */
  checked(endpoint: Endpoint, isWell: boolean, detail: string): void;
  /** How a check secures its connection; undefined for a plain one. */
  tlsTo(endpoint: Endpoint): TlsClientOptions | undefined;
  /** They are not to be used any more, as long as others are healthy. */
  out(endpoints: readonly Endpoint[]): void;
}

/** Endpoints of equal nearness, with their part of the requests. */
interface Group {
  readonly balancer: Balancer;
  endpoints: Endpoint[];
  /** 0 to 1; all parts are 1. */
  part: number;
}

/**
 * The endpoints of a cluster and who of them is chosen: those of the subset, healthy ones where
 * there are any, near ones first. All of that is worked out when something changes, so that a pick
 * only asks a balancer.
 */
export class EndpointSet {
  all: readonly Endpoint[] = [];
  /** Nobody or too few are healthy, so all are used. */
  panics = false;
  readonly #context: ProxyContext;
  #policy: BalancePolicy;
  #component: BalancerComponent;
  /** By nearness; the first is the only one where no locality is preferred. */
  #groups: Group[] = [];
  readonly #outliers: Outliers;
  readonly #checks: HealthChecks;
  readonly #listener: EndpointListener;
  #warming: Timer | null = null;
  #addresses: readonly EndpointBinding[] = [];

  constructor(policy: ClusterPolicy, context: ProxyContext, listener: EndpointListener) {
    this.#context = context;
    this.#listener = listener;
    this.#policy = policy.balance;
    this.#component = BALANCERS[policy.balance.policy];
    this.#outliers = new Outliers(context.clock, {
      ejected: (endpoint, reason, forMs, detail) => {
        listener.ejected(endpoint, reason, forMs, detail);
        this.#changed();
      },
      returned: (endpoint) => {
        if (endpoint.isHealthy) this.#warmUp(endpoint);
        listener.returned(endpoint);
        this.#changed();
        context.scratch.flush();
      },
      reviewed: () => context.scratch.flush(),
    });
    const tlsTo = (endpoint: Endpoint) => listener.tlsTo(endpoint);
    this.#checks = new HealthChecks(context, tlsTo, (endpoint, isWell, detail) => {
      if (endpoint.isHealthy) this.#warmUp(endpoint);
      listener.checked(endpoint, isWell, detail);
      this.#changed();
      context.scratch.flush();
    });
    this.#outliers.setPolicy(policy.outlier ?? null);
    this.#checks.setPolicy(policy.health ?? null);
  }

  /** Returns the endpoints that are no longer of the set. */
  setPolicy({ balance, outlier, health }: ClusterPolicy): Endpoint[] {
    this.#outliers.setPolicy(outlier ?? null);
    this.#checks.setPolicy(health ?? null);
    if (JSON.stringify(balance) === JSON.stringify(this.#policy)) return [];
    if (balance.policy !== this.#policy.policy) this.#groups = [];
    this.#policy = balance;
    this.#component = BALANCERS[balance.policy];
    return this.setAddresses(this.#addresses);
  }

  setAddresses(addresses: readonly EndpointBinding[]): Endpoint[] {
    this.#addresses = addresses;
    const before = new Map(this.all.map((endpoint) => [endpoint.key, endpoint]));
    const isFirst = before.size === 0;
    const after = new Set<Endpoint>();
    for (const address of addresses) {
      if (!this.#isOfSubset(address)) continue;
      const key = `${address.host}:${address.port}`;
      const endpoint = before.get(key) ?? new Endpoint(address.host, address.port);
      if (!before.delete(key) && !isFirst && !after.has(endpoint)) this.#warmUp(endpoint);
      endpoint.weight = Math.max(1, address.weight ?? 1);
      endpoint.zone = address.zone ?? "";
      after.add(endpoint);
    }
    this.all = [...after];
    for (const gone of before.values()) gone.removed = true;
    this.#outliers.setEndpoints(this.all);
    this.#checks.setEndpoints(this.all);
    this.#changed();
    return [...before.values()];
  }

  #isOfSubset({ labels = {} }: EndpointBinding): boolean {
    const subset = Object.entries(this.#policy.subset ?? {});
    return subset.every(([name, value]) => labels[name] === value);
  }

  /** Null where there is none at all. */
  pick(stream: Stream): Endpoint | null {
    const groups = this.#groups;
    if (groups.length === 0) return null;
    const { random } = this.#context;
    const hash = this.#component.usesHash ? requestHash(stream, this.#policy.hashBy, random) : 0;
    const group = groups.length === 1 ? groups[0]! : this.#chooseGroup(stream.endpoint, hash);
    return group.balancer.pick(stream.endpoint, hash, stream.tryStartedMs);
  }

  /** Whether a pick may find another than this one. */
  hasOther(endpoint: Endpoint): boolean {
    return this.#groups.some(({ endpoints }) => endpoints.some((other) => other !== endpoint));
  }

  /** By their parts; one that only has `avoid` to offer is passed over. */
  #chooseGroup(avoid: Endpoint | null, hash: number): Group {
    const groups = this.#groups;
    const drawn = this.#component.usesHash ? mix(hash + 1) / 2 ** 32 : this.#context.random.next();
    let point = drawn;
    let index = 0;
    while (index < groups.length - 1 && (point -= groups[index]!.part) >= 0) index++;
    const { endpoints } = groups[index]!;
    if (endpoints.length === 1 && endpoints[0] === avoid) index = (index + 1) % groups.length;
    return groups[index]!;
  }

  get checks(): { readonly passed: number; readonly failed: number } {
    return this.#checks;
  }

  /** A try ended with an answer after so long. */
  observe(endpoint: Endpoint, durationMs: number, nowMs: number): void {
    if (this.#component.usesLatency) endpoint.latency.observe(durationMs, nowMs);
  }

  /** A try there ended; status 0 is no answer. */
  record(endpoint: Endpoint, status: number): void {
    if (this.#outliers.isOn) this.#outliers.record(endpoint, status);
  }

  stop(): void {
    this.#outliers.stop();
    this.#checks.stop();
    this.#warming?.cancel();
    this.#warming = null;
  }

  // -------------------------------------------------------------- on every change

  /** Works out anew who is chosen. */
  #changed(): void {
    this.#setShares();
    const healthy = this.all.filter((endpoint) => endpoint.isHealthy);
    const { panicRatio = 0 } = this.#policy;
    this.panics = healthy.length === 0 || healthy.length < panicRatio * this.all.length;
    const out: Endpoint[] = [];
    for (const endpoint of this.all) {
      const isOut = !this.panics && !endpoint.isHealthy;
      if (isOut && !endpoint.isOut) out.push(endpoint);
      endpoint.isOut = isOut;
    }
    this.#setGroups();
    if (out.length !== 0) this.#listener.out(out);
  }

  #setGroups(): void {
    const before = this.#groups;
    const { locality } = this.#policy;
    const near = locality === undefined ? [] : [locality.zone, ...locality.failover];
    const tiers = [
      ...near.map((zone) => this.all.filter((endpoint) => endpoint.zone === zone)),
      this.all.filter((endpoint) => !near.includes(endpoint.zone)),
    ].filter((tier) => tier.length !== 0);
    let left = 1;
    const groups: Group[] = [];
    for (const tier of tiers) {
      const endpoints = tier.filter((endpoint) => !endpoint.isOut);
      if (endpoints.length === 0) continue;
      const wholeAt = locality?.spillRatio ?? 0;
      const health = endpoints.length / tier.length;
      const part = health >= wholeAt ? left : Math.min(left, health / wholeAt);
      left -= part;
      const kept = before[groups.length]?.balancer;
      const balancer = kept ?? this.#component.create(this.#context.random);
      balancer.update(endpoints);
      groups.push({ balancer, endpoints, part });
    }
    // What no zone has room for goes to all in proportion.
    for (const group of groups) group.part /= 1 - left;
    this.#groups = groups;
  }

  // -------------------------------------------------------------- slow start

  #warmUp(endpoint: Endpoint): void {
    endpoint.warmsFromMs = this.#context.clock.now();
  }

  #setShares(): void {
    const { slowStartMs = 0 } = this.#policy;
    const now = this.#context.clock.now();
    let isWarming = false;
    for (const endpoint of this.all) {
      endpoint.share = endpoint.weight;
      if (endpoint.warmsFromMs < 0) continue;
      const passed = now - endpoint.warmsFromMs;
      if (passed >= slowStartMs) endpoint.warmsFromMs = -1;
      else {
        isWarming = true;
        endpoint.share *= Math.max(1 / SLOW_STEPS, passed / slowStartMs);
      }
    }
    this.#warming?.cancel();
    this.#warming = !isWarming
      ? null
      : this.#context.clock.after(slowStartMs / SLOW_STEPS, () => {
          this.#warming = null;
          this.#changed();
          this.#context.scratch.flush();
        });
  }
}
