import type { ProxyStats } from "../api/stats.ts";
import type { World } from "../base/world.ts";
import { HttpClient } from "../http/client.ts";
import { type Rates, ratesBetween } from "../operate/rates.ts";

const ASK_TIMEOUT_MS = 900;

export interface StatsSource {
  /** `namespace/name`. */
  readonly workload: string;
  readonly socket: string;
}

export interface WorkloadStats {
  readonly workload: string;
  readonly rates: Rates;
  readonly stats: ProxyStats;
}

interface Reading {
  readonly atMs: number;
  readonly stats: ProxyStats;
}

/** So many readings back does a rate look: with one a second, the last ten seconds. */
const WINDOW = 10;

/** Asks each sidecar for its stats, and keeps enough of them to say what happens now. */
export class StatsCollector {
  #readings = new Map<string, Reading[]>();
  #client: HttpClient;

  constructor(private readonly world: World) {
    this.#client = new HttpClient(world, { maxIdle: 1 });
  }

  /** Without those that do not answer. */
  async collect(sources: readonly StatsSource[]): Promise<readonly WorkloadStats[]> {
    const known = new Set(sources.map(({ workload }) => workload));
    for (const workload of this.#readings.keys()) {
      if (!known.has(workload)) this.#readings.delete(workload);
    }
    const all = await Promise.all(sources.map((source) => this.#collectOne(source)));
    return all.filter((one) => one !== null);
  }

  close(): void {
    this.#client.close();
  }

  async #collectOne({ workload, socket }: StatsSource): Promise<WorkloadStats | null> {
    const stats = await askStats(this.#client, socket);
    if (stats === null) return null;
    const readings = this.#readings.get(workload) ?? [];
    this.#readings.set(workload, readings);
    const atMs = this.world.clock.now();
    const oldest = readings[0] ?? null;
    readings.push({ atMs, stats });
    if (readings.length > WINDOW) readings.shift();
    const elapsedMs = oldest === null ? stats.uptimeMs : atMs - oldest.atMs;
    const before = oldest?.stats ?? null;
    const rates = ratesBetween(before, stats, elapsedMs, ["inbound", "gateway"]);
    return { workload, stats, rates };
  }
}

/** Null where the sidecar does not answer. */
export async function askStats(client: HttpClient, socket: string): Promise<ProxyStats | null> {
  try {
    const answer = await client.request({
      method: "GET",
      address: { path: socket },
      path: "/stats",
      timeoutMs: ASK_TIMEOUT_MS,
    });
    return JSON.parse(Buffer.from(answer.body).toString()) as ProxyStats;
  } catch {
    return null;
  }
}
