import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import type { TlsClientOptions } from "../base/world.ts";
import { SimClient } from "./client.ts";
import { PROXY, upstreamAt } from "./snapshots.ts";
import { type Received, reply, SimUpstream } from "./upstream.ts";

/** Longer than any timer of the proxy: what is left then has leaked. */
const REST_MS = 200_000;

/** What stands around a proxy or a group of them, in a simulated world. */
export class Surroundings {
  readonly world: SimulatedWorld;
  readonly log: string[] = [];
  readonly clients: SimClient[] = [];
  readonly upstreams: SimUpstream[] = [];

  constructor(seed: number) {
    this.world = createSimulatedWorld({ seed });
  }

  protected readonly takeLog = (lines: string): void => {
    this.log.push(...lines.split("\n"));
  };

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

  /** What is still open after everybody left and every timer had its time; empty is right. */
  protected async leaksOf(proxies: { close(): void }): Promise<string[]> {
    for (const { peer } of this.clients) peer.terminate();
    await this.advance(10);
    proxies.close();
    for (const upstream of this.upstreams) {
      upstream.stop();
      for (const peer of upstream.peers) peer.terminate();
    }
    await this.advance(REST_MS);
    const kit = [...this.clients, ...this.upstreams].map(({ problem }) => problem);
    return [...this.world.leaks(), ...kit.filter((problem) => problem !== "")];
  }
}
