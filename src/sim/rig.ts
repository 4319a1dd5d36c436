import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import type { TlsClientOptions } from "../base/world.ts";
import { parsePrometheusText, sumOfSamples } from "../codec/prometheus_text.ts";
import { Proxy } from "../proxy/proxy.ts";
import { SimClient } from "./client.ts";
import { PROXY, snapshotOf, type SnapshotShape, upstreamAt } from "./snapshots.ts";
import { type Received, reply, SimUpstream } from "./upstream.ts";

/** Longer than any timer of the proxy: what is left then has leaked. */
const REST_MS = 200_000;

/** A whole proxy in a simulated world, with clients before and upstreams behind it. */
export class Rig {
  readonly world: SimulatedWorld;
  readonly proxy: Proxy;
  readonly log: string[] = [];
  readonly clients: SimClient[] = [];
  readonly upstreams: SimUpstream[] = [];

  constructor(shape: SnapshotShape | null = {}, seed = 1) {
    this.world = createSimulatedWorld({ seed });
    this.proxy = new Proxy(this.world, { log: (lines) => this.log.push(...lines.split("\n")) });
    if (shape !== null) this.apply(shape);
  }

  apply(shape: SnapshotShape): void {
    this.proxy.apply(snapshotOf(shape));
  }

  /** The `index`-th upstream, from 1; it echoes its own number unless told otherwise. */
  upstream(index = 1, answer?: (request: Received) => void): SimUpstream {
    const { host, port } = upstreamAt(index);
    const plain = (request: Received): void => request.peer.send(reply(200, `u${index}`));
    const upstream = new SimUpstream(this.world.at(host), host, port, answer ?? plain);
    this.upstreams.push(upstream);
    return upstream;
  }

  client(address = PROXY, tls?: TlsClientOptions): SimClient {
    const client = new SimClient(this.world.at("10.0.2.1"), address, tls);
    this.clients.push(client);
    return client;
  }

  advance(ms: number): Promise<void> {
    return this.world.clock.advance(ms);
  }

  /** One request on a connection of its own, and 1 s for it. */
  async ask(path = "/", host = "shop"): Promise<{ status: number; body: string }> {
    const client = this.client();
    const call = client.get(path, host);
    await this.world.clock.until(() => call.answer !== null || call.broken, 60_000);
    client.peer.close();
    return { status: call.status, body: call.answer?.body ?? "" };
  }

  /** The sum of a metric's samples with these labels. */
  metric(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return sumOfSamples(parsePrometheusText(this.proxy.metrics()), name, labels);
  }

  /** What is still open after everybody left and every timer had its time; empty is right. */
  async leaks(): Promise<string[]> {
    for (const { peer } of this.clients) peer.terminate();
    await this.advance(10);
    this.proxy.close();
    for (const upstream of this.upstreams) {
      upstream.stop();
      for (const peer of upstream.peers) peer.terminate();
    }
    await this.advance(REST_MS);
    const kit = [...this.clients, ...this.upstreams].map(({ problem }) => problem);
    return [...this.world.leaks(), ...kit.filter((problem) => problem !== "")];
  }
}
