import type { SocketAddress, World } from "../base/world.ts";
import { HttpClient, HttpError, type HttpErrorCode } from "../http/client.ts";

export interface LoadOptions {
  readonly address: SocketAddress;
  /** The Host header. */
  readonly host: string;
  /** Path and query. */
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Requests per second; null sends the next one as soon as a connection is free. */
  readonly rate: number | null;
  readonly durationMs: number;
  readonly connections: number;
  readonly timeoutMs: number;
}

export interface LoadReport {
  readonly requests: number;
  readonly elapsedMs: number;
  /** As achieved. */
  readonly requestsPerSecond: number;
  /** Answers by status. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** Requests without an answer, by reason. */
  readonly failures: Readonly<Partial<Record<HttpErrorCode, number>>>;
  /** Answers below 500, of all requests; null where there were none. */
  readonly successRate: number | null;
  /** Of answers; from the moment at which the rate wanted the request to start. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
}

const TICK_MS = 5;
/** A failed connect is over at once: without a pause, a closed loop would spin. */
const PAUSE_AFTER_FAILURE_MS = 10;

/**
 * Makes load and says what came back. With a rate, a request that has to wait for a connection
 * counts from when it should have started: so a stalled server is not measured too well.
 */
export async function runLoad(
  world: World,
  options: LoadOptions,
  stopped: () => boolean = () => false,
): Promise<LoadReport> {
  const load = new Load(world, options, stopped);
  const report = await load.run();
  return report;
}

class Load {
  #client: HttpClient;
  #latencies = new LatencyHistogram();
  #byStatus = new Map<number, number>();
  #failures = new Map<HttpErrorCode, number>();
  #started = 0;
  #startedAt: number;

  constructor(
    private readonly world: World,
    private readonly options: LoadOptions,
    private readonly stopped: () => boolean,
  ) {
    this.#client = new HttpClient(world, { maxIdle: options.connections });
    this.#startedAt = world.clock.now();
  }

  async run(): Promise<LoadReport> {
    const workers = Array.from({ length: this.options.connections }, () => this.#work());
    await Promise.all(workers);
    this.#client.close();
    return this.#report();
  }

  async #work(): Promise<void> {
    const { clock } = this.world;
    while (!this.#isOver()) {
      const dueAt = this.#nextDue();
      if (dueAt === null) {
        await clock.sleep(TICK_MS);
        continue;
      }
      this.#started += 1;
      if (!(await this.#one(dueAt)) && this.options.rate === null) {
        await clock.sleep(PAUSE_AFTER_FAILURE_MS);
      }
    }
  }

  #isOver(): boolean {
    return this.stopped() || this.world.clock.now() - this.#startedAt >= this.options.durationMs;
  }

  /** When the next request should start; null where that is later. */
  #nextDue(): number | null {
    const { rate } = this.options;
    const now = this.world.clock.now();
    if (rate === null) return now;
    const dueAt = this.#startedAt + (this.#started * 1000) / rate;
    return dueAt <= now ? dueAt : null;
  }

  /** False where there was no answer. */
  async #one(dueAt: number): Promise<boolean> {
    const { address, host, path, method, headers, timeoutMs } = this.options;
    try {
      const answer = await this.#client.request({
        ...{ address, host, path, method, headers, timeoutMs },
        // Only counted.
        onBody: () => {},
      });
      this.#latencies.add(this.world.clock.now() - dueAt);
      this.#byStatus.set(answer.status, (this.#byStatus.get(answer.status) ?? 0) + 1);
      return true;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#failures.set(error.code, (this.#failures.get(error.code) ?? 0) + 1);
      return false;
    }
  }

  #report(): LoadReport {
    const elapsedMs = this.world.clock.now() - this.#startedAt;
    const good = [...this.#byStatus].filter(([status]) => status < 500);
    const goodCount = good.reduce((sum, [, count]) => sum + count, 0);
    return {
      requests: this.#started,
      elapsedMs,
      requestsPerSecond: this.#started / Math.max(elapsedMs / 1000, 0.001),
      byStatus: Object.fromEntries([...this.#byStatus].sort(([a], [b]) => a - b)),
      failures: Object.fromEntries(this.#failures),
      successRate: this.#started === 0 ? null : goodCount / this.#started,
      p50Ms: this.#latencies.quantile(0.5),
      p90Ms: this.#latencies.quantile(0.9),
      p99Ms: this.#latencies.quantile(0.99),
      maxMs: this.#latencies.max,
    };
  }
}

/** Buckets that grow by 1%: from a microsecond to an hour in 2,213 counters. */
class LatencyHistogram {
  max: number | null = null;
  #counts = new Uint32Array(2_300);
  #total = 0;

  add(latencyMs: number): void {
    const at = Math.log(Math.max(latencyMs * 1000, 1)) / Math.log(1.01);
    const index = Math.min(Math.floor(at), this.#counts.length - 1);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total += 1;
    this.max = Math.max(this.max ?? 0, latencyMs);
  }

  /** The upper end of the bucket, but no more than the maximum. */
  quantile(part: number): number | null {
    if (this.max === null) return null;
    let rest = Math.ceil(part * this.#total);
    for (const [index, count] of this.#counts.entries()) {
      rest -= count;
      if (rest <= 0) return Math.min(1.01 ** (index + 1) / 1000, this.max);
    }
    return this.max;
  }
}
