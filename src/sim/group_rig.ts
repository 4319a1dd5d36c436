import type { Sighting } from "../api/sighting.ts";
import type { ProxyStats } from "../api/stats.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import { parsePrometheusText, sumOfSamples } from "../codec/prometheus_text.ts";
import { ProxyGroup } from "../proxy/group/proxy_group.ts";
import { runWorker } from "../proxy/group/worker.ts";
import { SimClient } from "./client.ts";
import { PROXY, snapshotOf, type SnapshotShape, upstreamAt } from "./snapshots.ts";
import { type Received, reply, SimUpstream } from "./upstream.ts";

/** Longer than any timer of the proxy: what is left then has leaked. */
const REST_MS = 200_000;

/** A group of proxies in one simulated world; each caller reaches one of them, as chance has it. */
export class GroupRig {
  readonly world: SimulatedWorld;
  readonly group: ProxyGroup;
  readonly log: string[] = [];
  readonly clients: SimClient[] = [];
  readonly upstreams: SimUpstream[] = [];

  constructor(workers: number, seed = 1) {
    this.world = createSimulatedWorld({ seed });
    this.world.threads.body = (port) => runWorker(this.world, port);
    const log = (lines: string): void => void this.log.push(...lines.split("\n"));
    this.group = new ProxyGroup(this.world, { workers, log });
  }

  apply(shape: SnapshotShape): Promise<void> {
    return this.settled(this.group.apply(snapshotOf(shape)));
  }

  /** Lets virtual time pass until a promise is settled. */
  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    let isDone = false;
    const done = (): void => void (isDone = true);
    promise.then(done, done);
    await this.world.clock.until(() => isDone, 60_000);
    return promise;
  }

  upstream(index = 1, answer?: (request: Received) => void): SimUpstream {
    const { host, port } = upstreamAt(index);
    const plain = (request: Received): void => request.peer.send(reply(200, `u${index}`));
    const upstream = new SimUpstream(this.world.at(host), host, port, answer ?? plain);
    this.upstreams.push(upstream);
    return upstream;
  }

  client(): SimClient {
    const client = new SimClient(this.world.at("10.0.2.1"), PROXY);
    this.clients.push(client);
    return client;
  }

  advance(ms: number): Promise<void> {
    return this.world.clock.advance(ms);
  }

  /** As many requests at once, each on a connection of its own: their statuses, 0 is none yet. */
  async ask(count: number, withinMs = 1_000): Promise<number[]> {
    const calls = Array.from({ length: count }, () => this.client().get("/"));
    await this.advance(withinMs);
    return calls.map(({ status }) => status);
  }

  stats(): Promise<ProxyStats> {
    return this.settled(this.group.stats());
  }

  sightings(since = 0): Promise<readonly Sighting[]> {
    return this.settled(this.group.sightings(since));
  }

  /** The sum of a metric's samples with these labels. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await this.settled(this.group.metrics());
    const exposition = parsePrometheusText(text);
    if (exposition.problems.length > 0) throw new Error(JSON.stringify(exposition.problems));
    return sumOfSamples(exposition, name, labels);
  }

  /** What is still open after everybody left and every timer had its time; empty is right. */
  async leaks(): Promise<string[]> {
    for (const { peer } of this.clients) peer.terminate();
    await this.advance(10);
    this.group.close();
    for (const upstream of this.upstreams) {
      upstream.stop();
      for (const peer of upstream.peers) peer.terminate();
    }
    await this.advance(REST_MS);
    const kit = [...this.clients, ...this.upstreams].map(({ problem }) => problem);
    return [...this.world.leaks(), ...kit.filter((problem) => problem !== "")];
  }
}
