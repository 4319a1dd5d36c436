import type { Sighting } from "../api/sighting.ts";
import type { ProxyStats } from "../api/stats.ts";
import { parsePrometheusText, sumOfSamples } from "../codec/prometheus_text.ts";
import { ProxyGroup } from "../proxy/group/proxy_group.ts";
import { runWorker } from "../proxy/group/worker.ts";
import { snapshotOf, type SnapshotShape } from "./snapshots.ts";
import { Surroundings } from "./surroundings.ts";

/** A group of proxies in one simulated world; each caller reaches one of them, as chance has it. */
export class GroupRig extends Surroundings {
  readonly group: ProxyGroup;

  constructor(workers: number, seed = 1) {
    super(seed);
    this.world.threads.body = (port) => runWorker(this.world, port);
    this.group = new ProxyGroup(this.world, { workers, log: this.takeLog });
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

  leaks(): Promise<string[]> {
    return this.leaksOf(this.group);
  }
}
