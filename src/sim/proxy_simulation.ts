import { CALM, ROUGH } from "../base/simulated/faults.ts";
import type {
  BalancePolicy,
  BalancePolicyName,
  HealthCheckPolicy,
  OutlierPolicy,
} from "../api/snapshot.ts";
import type { ProxyStats } from "../api/stats.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import { SimulatedRandom } from "../base/simulated/random.ts";
import type { PrometheusExposition } from "../codec/prometheus_text.ts";
import { parsePrometheusText, sumOfSamples } from "../codec/prometheus_text.ts";
import { BALANCERS } from "../proxy/cluster/balancers/mod.ts";
import { Proxy } from "../proxy/proxy.ts";
import { Caller, Moody, TunnelCaller } from "./proxy_load.ts";
import {
  LaterPolicies,
  MAX_MEMORY_BYTES,
  MOST_ADAPTIVE,
  MOST_COPIES,
  SHADOW,
} from "./later_policies.ts";
import { RETRY, snapshotOf, type SnapshotShape, upstreamAt } from "./snapshots.ts";
import { tapped } from "./tapped_net.ts";

const NAME = { host: "api.example.com", port: 80 };
const UPSTREAMS = 4;
const CALLERS = 8;
const TUNNELS = 4;
const REQUESTS = 12;
const ATTEMPTS = 2;
const LIMITS = { maxConnections: 3, maxPendingRequests: 2, maxRequests: 6 };
const BUDGET = { budgetRatio: 0.25, budgetMinimum: 2 };
const BALANCES = Object.keys(BALANCERS) as readonly BalancePolicyName[];
const OUTLIER: OutlierPolicy = {
  consecutive5xx: 3,
  consecutiveGatewayErrors: 2,
  successRate: { minEndpoints: 2, minRequests: 3, deviations: 0.9 },
  intervalMs: 1_000,
  baseMs: 200,
  maxMs: 1_000,
  maxEjectedRatio: 1,
};
const CHECKS: HealthCheckPolicy = {
  path: null,
  host: "",
  statuses: [200],
  intervalMs: 600,
  timeoutMs: 150,
  unhealthyAfter: 1,
  healthyAfter: 1,
};
/** A caller whose SYN got lost waits for minutes: meanwhile nothing changes any more. */
const DISTURBED_MS = 20_000;
/** After the last request: longer than an unanswered SYN. */
const REST_MS = 400_000;

export interface SimulationOptions {
  readonly trace?: (line: string) => void;
  /** Without the policies that came later: what an old seed did then. */
  readonly plain?: boolean;
}

/**
 * One run: callers, a proxy and upstreams on a network with faults, while Snapshots and DNS change.
 * Returns what did not hold; the same seed gives the same run.
 */
export async function simulateProxy(
  seed: number,
  options: SimulationOptions = {},
): Promise<string[]> {
  const run = new Simulation(seed, options);
  await run.play();
  return run.problems;
}

class Simulation {
  readonly problems: string[] = [];
  readonly #world: SimulatedWorld;
  readonly #random: SimulatedRandom;
  readonly #proxy: Proxy;
  readonly #callers: (Caller | TunnelCaller)[] = [];
  readonly #upstreams: Moody[] = [];
  /** Where copies go; nobody else's requests do. */
  readonly #shadow: Moody;
  /** Of the policies that came later; null without them. */
  readonly #later: SimulatedRandom | null;
  readonly #laterPolicies: LaterPolicies | null;
  /** No fault of the network, no caller that leaves: then counts are equal, not only bounded. */
  readonly #isCalm: boolean;
  #version = 0;
  #events = 0;

  constructor(seed: number, { trace, plain = false }: SimulationOptions) {
    this.#random = new SimulatedRandom(seed + 0x5eed);
    this.#later = plain ? null : new SimulatedRandom(seed + 0x1a7e);
    this.#laterPolicies = this.#later === null ? null : new LaterPolicies(this.#later);
    this.#world = createSimulatedWorld(trace === undefined ? { seed } : { seed, trace });
    this.#proxy = new Proxy(
      tapped(this.#world, (host, target) => this.#checkTarget(host, target)),
    );
    this.#shadow = new Moody(SHADOW, this.#world, this.#later ?? this.#random);
    this.#isCalm = this.#random.chance(0.3);
    const some = this.#random.next();
    this.#world.net.setFaults(
      this.#isCalm ? CALM : { ...ROUGH, reset: ROUGH.reset * some, partialRead: some * 0.6 },
    );
  }

  async play(): Promise<void> {
    const { clock, net } = this.#world;
    for (let index = 1; index <= UPSTREAMS; index++) {
      this.#upstreams.push(new Moody(index, this.#world, this.#random));
    }
    net.setName(NAME.host, { addresses: ["10.0.1.1", "10.0.1.4"], ttlMs: 300 });
    this.#apply();
    const throwUncaught = clock.afterEvent;
    clock.afterEvent = () => {
      throwUncaught();
      if (++this.#events % 16 === 0) this.#checkNow();
    };
    for (let index = 0; index < CALLERS; index++) {
      const name = `c${index}`;
      const [world, random, later] = [this.#world, this.#random, this.#later];
      this.#callers.push(new Caller(name, world, random, REQUESTS, !this.#isCalm, later));
    }
    for (let index = 0; index < TUNNELS; index++) {
      clock.plan(this.#random.between(0, 400), () => {
        this.#callers.push(new TunnelCaller(`t${index}`, this.#world, this.#random));
      });
    }
    this.#disturb();
    await clock.advance(400);
    const isOver = await clock.until(() => this.#callers.every(({ done }) => done), 3_600_000);
    if (!isOver) this.problems.push("after an hour there are callers without an end");
    this.#calmDown();
    net.heal("127.0.0.1", upstreamAt(1).host);
    await clock.advance(REST_MS);
    this.#checkEnd();
    await this.#checkLeaks();
  }

  // -------------------------------------------------------------- what happens meanwhile

  #isQuiet = false;

  #calmDown(): void {
    this.#isQuiet = true;
    this.#use(0);
    this.#apply();
  }

  #use(residentBytes: number): void {
    this.#world.processes.self.resources = { residentBytes, userMs: 0, systemMs: 0 };
  }

  #disturb(): void {
    const random = this.#random;
    const { clock, net } = this.#world;
    clock.plan(random.between(10, 150), () => {
      if (this.#isQuiet) return;
      if (clock.now() > DISTURBED_MS) return this.#calmDown();
      if (this.#later?.chance(0.3) === true) {
        this.#use(this.#later.chance(0.4) ? 2 * MAX_MEMORY_BYTES : 0);
        this.#shadow.mood = this.#later.chance(0.5) ? 0 : this.#later.next();
      }
      switch (random.integer(0, 3)) {
        case 0:
          this.#apply();
          break;
        case 1: {
          const index = random.integer(1, UPSTREAMS);
          const addresses = [upstreamAt(index).host, "10.0.1.4"];
          const answers = [{ addresses, ttlMs: 200 }, { addresses, ttlMs: 400 }];
          net.setName(NAME.host, random.chance(0.2) ? "not-found" : answers[random.integer(0, 1)]!);
          break;
        }
        case 2:
          for (const upstream of this.#upstreams) {
            upstream.mood = random.chance(0.5) ? 0 : random.next();
          }
          break;
        default:
          if (this.#isCalm) break;
          net.partition("127.0.0.1", upstreamAt(1).host);
          clock.plan(random.between(50, 900), () => net.heal("127.0.0.1", upstreamAt(1).host));
      }
      this.#disturb();
    });
  }

  #apply(): void {
    const random = this.#random;
    const tries = { attempts: ATTEMPTS, perTryTimeoutMs: 600, maxBodyBytes: 5_000 };
    const retry = { ...RETRY, ...BUDGET, ...tries };
    const route = { timeoutMs: 2_500, idleTimeoutMs: 1_500, retry };
    const canned = { on: ["open"] as const, status: 203, headers: {}, body: "canned" };
    const breaker = {
      errorRate: 0.5,
      minRequests: 6,
      windowMs: 2_000,
      openMs: 300,
      halfOpenRequests: random.chance(0.1) ? 2 : 1,
    };
    const all = [1, 2, 3].map(upstreamAt);
    const endpoints = random.chance(0.3) ? all.slice(random.integer(0, 2)) : all;
    // In the long rest at the end they would only cost time.
    const outlier = this.#isQuiet ? {} : { outlier: OUTLIER };
    const health = this.#isQuiet ? {} : { health: CHECKS };
    const shape: SnapshotShape = {
      version: String(++this.#version),
      listener: {
        routes: [
          { ...route, name: "app", path: { kind: "prefix", value: "/app" }, fallback: canned },
          { ...route, name: "named", path: { kind: "prefix", value: "/named" }, to: "named" },
        ],
      },
      clusters: {
        app: { endpoints, limits: LIMITS, breaker, balance: this.#balance(), ...outlier },
        named: {
          dns: NAME,
          limits: LIMITS,
          refresh: { minMs: 100, maxMs: 1_000 },
          balance: this.#balance(),
          ...health,
        },
        ...(random.chance(0.3) ? { spare: { dns: NAME } } : {}),
      },
    };
    const later = this.#laterPolicies;
    this.#proxy.apply(snapshotOf(later === null ? shape : later.addTo(shape, this.#isQuiet)));
  }

  #balance(): BalancePolicy {
    const random = this.#random;
    const policy = BALANCES[random.integer(0, BALANCES.length - 1)]!;
    return {
      policy,
      ...(random.chance(0.5) ? { hashBy: { from: "source", name: "" } as const } : {}),
      ...(random.chance(0.3) ? { slowStartMs: 500 } : {}),
    };
  }

  // -------------------------------------------------------------- what must hold

  #metrics(): PrometheusExposition {
    return parsePrometheusText(this.#proxy.metrics());
  }

  #expect(holds: boolean, text: string): void {
    if (!holds && this.problems.length < 20) this.problems.push(text);
  }

  #lastEvent: unknown = null;
  /** Tries so far of endpoints that are left out while another of their cluster is well. */
  #leftOut = new Map<string, number>();

  /** No try starts at an endpoint that is left out, unless something happened in between. */
  #checkLeftOut({ clusters, events }: ProxyStats): void {
    const before = this.#leftOut;
    const isSame = this.#lastEvent === events.at(-1);
    this.#lastEvent = events.at(-1);
    this.#leftOut = new Map();
    for (const { name, endpoints } of clusters) {
      if (!endpoints.some(({ ejected, healthy }) => healthy && !ejected)) continue;
      for (const { address, ejected, healthy, triesTotal } of endpoints) {
        if (healthy && !ejected) continue;
        const key = `${name} ${address}`;
        const then = before.get(key) ?? triesTotal;
        this.#expect(!isSame || then === triesTotal, `a try at ${key}, which is left out`);
        this.#leftOut.set(key, triesTotal);
      }
    }
  }

  /** A request is being written to a host: one that may have it. */
  #checkTarget(host: string, target: string): void {
    const route = target.split("/")[1]!;
    const isShadow = host === upstreamAt(SHADOW).host;
    const name = isShadow ? "shadow" : route;
    const cluster = this.#proxy.stats().clusters.find((one) => one.name === name);
    // A Snapshot without it came meanwhile: what is in flight ends where it was.
    if (cluster === undefined) return;
    const healthy = cluster.endpoints.filter(({ ejected, healthy: well }) => well && !ejected);
    if (healthy.length === 0 || healthy.some(({ address }) => address === host)) return;
    const isThere = cluster.endpoints.some(({ address }) => address === host);
    const why = isThere ? "is left out" : "is drained";
    const others = healthy.map(({ address }) => address).join(", ");
    this.#expect(false, `${target} is sent to ${host}, which ${why}; well: ${others}`);
  }

  /** At every time. */
  #checkNow(): void {
    const now = this.#proxy.stats();
    this.#checkLeftOut(now);
    for (const stats of now.clusters) {
      if (stats.name === "spare") continue;
      const { requestsActive, requestsPending, connectionsActive } = stats;
      const at = `${stats.name} at ${this.#world.clock.now()} ms`;
      this.#expect(requestsActive <= LIMITS.maxRequests, `${requestsActive} requests of ${at}`);
      this.#expect(requestsPending <= LIMITS.maxPendingRequests, `${requestsPending} wait, ${at}`);
      this.#expect(connectionsActive <= LIMITS.maxConnections, `${connectionsActive} open, ${at}`);
      const { limit = 1 } = stats.adaptive ?? {};
      this.#expect(limit >= 1 && limit <= MOST_ADAPTIVE, `an adaptive limit of ${limit}, ${at}`);
      const gauges = [requestsActive, requestsPending, connectionsActive];
      this.#expect(Math.min(...gauges) >= 0, `a gauge below 0: ${gauges} of ${at}`);
    }
    if (this.#events % 256 !== 0) return;
    const metrics = this.#metrics();
    const copies = sumOfSamples(metrics, "outrigger_mirrored_active");
    this.#expect(copies >= 0 && copies <= MOST_COPIES, `${copies} copies in flight`);
    this.#expect(metrics.problems.length === 0, `metrics: ${JSON.stringify(metrics.problems)}`);
    const most = Math.max(BUDGET.budgetMinimum, BUDGET.budgetRatio * LIMITS.maxRequests);
    for (const cluster of ["app", "named"]) {
      const active = sumOfSamples(metrics, "outrigger_upstream_retries_active", { cluster });
      this.#expect(active >= 0 && active <= most, `${active} retries of ${cluster} in flight`);
    }
  }

  #checkEnd(): void {
    for (const caller of this.#callers) {
      for (const { problem } of caller.clients) this.#expect(problem === "", `caller: ${problem}`);
      for (const asked of caller.asked) this.#checkCall(asked);
      if (caller instanceof TunnelCaller) this.#checkTunnel(caller);
    }
    for (const upstream of [...this.#upstreams, this.#shadow]) {
      this.problems.push(...upstream.problems);
      const { problem } = upstream.server;
      this.#expect(problem === "", `an upstream: ${problem}`);
    }
    this.#checkTries();
    this.#checkCopies();
    this.#checkCounts();
    this.#checkBreaker();
  }

  #checkCall({ id, call }: Caller["asked"][number]): void {
    const isEnded = (call.answer !== null) !== call.broken;
    this.#expect(isEnded, `${id} did not end once: ${call.status}, broken ${call.broken}`);
    if (call.status !== 200) return;
    const bodies = this.#upstreams.flatMap(({ sent }) => sent.get(id) ?? []);
    const got = call.answer!.body;
    this.#expect(bodies.includes(got), `${id} got ${got.length} bytes that no try sent whole`);
  }

  #checkTunnel(caller: TunnelCaller): void {
    const { id } = caller.asked[0]!;
    this.#expect(caller.problem === "", `the tunnel of ${id}: ${caller.problem}`);
    for (const { heard } of this.#upstreams) {
      const text = heard.get(id) ?? caller.text;
      this.#expect(text === caller.text, `tunnel ${id} ended cleanly after ${text.length} bytes`);
    }
  }

  #checkTries(): void {
    const all = this.#callers.flatMap(({ asked }) => asked);
    for (const { id, method } of all) {
      const each = this.#upstreams.map(({ tries }) => tries.get(id) ?? 0);
      const tries = each.reduce((sum, count) => sum + count, 0);
      const times = id.startsWith("shared") ? all.filter((other) => other.id === id).length : 1;
      // Each try may be sent once more where its pooled connection was found closed.
      const most = method === "POST" ? 1 : 2 * (1 + ATTEMPTS) * times;
      this.#expect(tries <= most, `${method} ${id} was tried ${tries} times`);
    }
  }

  /** Each copy is sent once, or once more where its pooled connection was found closed. */
  #checkCopies(): void {
    const { requests } = this.#shadow.server;
    const { clusters } = this.#proxy.stats();
    const counted = clusters.find(({ name }) => name === "shadow")?.mirroredTotal ?? {};
    const { ok = 0, error = 0, failed = 0 } = counted;
    const sent = ok + error + failed;
    this.#expect(requests.length <= 2 * sent, `${requests.length} copies came, ${sent} were sent`);
    this.#expect(ok <= requests.length, `${ok} copies answered, ${requests.length} came`);
    const hosts = new Set(requests.map(({ headers }) => headers.get("host")));
    hosts.delete("shop-shadow");
    this.#expect(hosts.size === 0, `copies for ${[...hosts].join(", ")}`);
  }

  #checkCounts(): void {
    const metrics = this.#metrics();
    const calls = this.#callers.flatMap(({ asked }) => asked.map(({ call }) => call));
    const total = sumOfSamples(metrics, "outrigger_requests_total");
    const answered = calls.filter(({ answer }) => answer !== null);
    this.#expect(total <= calls.length, `${total} requests counted, ${calls.length} sent`);
    for (const status of new Set(answered.map((call) => call.status))) {
      const seen = answered.filter((call) => call.status === status).length;
      const counted = sumOfSamples(metrics, "outrigger_requests_total", { code: String(status) });
      this.#expect(counted >= seen, `${counted} answers of ${status} counted, ${seen} arrived`);
    }
    const malformed = sumOfSamples(metrics, "outrigger_malformed_requests_total");
    this.#expect(malformed === 0, `${malformed} requests found malformed`);
    for (const name of [
      "outrigger_requests_active",
      "outrigger_upstream_requests_active",
      "outrigger_upstream_pending",
      "outrigger_upstream_retries_active",
      "outrigger_connections_active",
      "outrigger_mirrored_active",
    ]) {
      const value = sumOfSamples(metrics, name);
      this.#expect(value === 0, `${name} is ${value} when all is over`);
    }
    const clusters = this.#proxy.stats().clusters.filter(({ name }) => name !== "spare");
    for (const { name, endpoints } of clusters) {
      const busy = endpoints.filter(({ active }) => active !== 0);
      this.#expect(busy.length === 0, `endpoints of ${name} count tries that are over`);
    }
    if (!this.#isCalm) return;
    // On a connection that was broken off one request had a part of its answer, the rest no turn.
    const cut = this.#callers
      .flatMap(({ clients }) => clients)
      .filter(({ peer, calls: own }) => peer.error !== null && own.some(({ broken }) => broken));
    const seen = answered.length + cut.length;
    this.#expect(total === seen, `calm: ${total} requests counted, ${seen} seen`);
    for (const { name: cluster, triesTotal } of clusters) {
      const got = sumOfSamples(metrics, "outrigger_upstream_tries_total", { cluster });
      const failed = sumOfSamples(metrics, "outrigger_upstream_failures_total", { cluster });
      const sum = `${got} answered and ${failed} failed`;
      this.#expect(got + failed === triesTotal, `calm: ${triesTotal} tries of ${cluster}, ${sum}`);
    }
  }

  /** Each change follows from the one before; a new policy starts with a closed breaker. */
  #checkBreaker(): void {
    let state = "";
    const before: Record<string, readonly string[]> = {
      "breaker-opened": ["breaker-closed", "breaker-half-open", "breaker-opened"],
      "breaker-half-open": ["breaker-opened"],
      "breaker-closed": ["breaker-half-open"],
    };
    for (const { kind } of this.#proxy.stats().events) {
      const allowed = before[kind];
      if (allowed === undefined) continue;
      // The first ones are not kept for ever.
      const isFirst = state === "";
      this.#expect(isFirst || allowed.includes(state), `the breaker went from ${state} to ${kind}`);
      state = kind;
    }
  }

  async #checkLeaks(): Promise<void> {
    const { clock } = this.#world;
    this.#proxy.close();
    for (const { server } of [...this.#upstreams, this.#shadow]) {
      server.stop();
      for (const peer of server.peers) peer.terminate();
    }
    await clock.advance(REST_MS);
    this.problems.push(...this.#world.leaks());
  }
}
