import { parsePrometheusText, sumOfSamples } from "../codec/prometheus_text.ts";
import { Proxy } from "../proxy/proxy.ts";
import { snapshotOf, type SnapshotShape } from "./snapshots.ts";
import { Surroundings } from "./surroundings.ts";

/** A whole proxy in a simulated world, with clients before and upstreams behind it. */
export class Rig extends Surroundings {
  readonly proxy: Proxy;

  constructor(shape: SnapshotShape | null = {}, seed = 1) {
    super(seed);
    this.proxy = new Proxy(this.world, { log: this.takeLog });
    if (shape !== null) this.apply(shape);
  }

  apply(shape: SnapshotShape): void {
    this.proxy.apply(snapshotOf(shape));
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

  leaks(): Promise<string[]> {
    return this.leaksOf(this.proxy);
  }
}
