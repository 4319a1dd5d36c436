import type { OverloadPolicy } from "../api/snapshot.ts";
import type { OverloadStats } from "../api/stats.ts";
import type { Clock, Files, Timer } from "../base/world.ts";
import type { RequestHead } from "../codec/message.ts";

export type OverloadReason = "memory" | "event-loop";

/** What is measured, and who is told. */
export interface OverloadSource {
  readonly clock: Clock;
  readonly files: Files;
  residentBytes(): number;
  changed(reason: OverloadReason | null, detail: string): void;
}

/** How often it is measured: also what a reading of the lag can be late by. */
export const TICK_MS = 100;
/** One long pause of the collector is no overload. */
const BEGIN_TICKS = 2;
/** Shedding itself relieves: it ends only when that holds for a while ... */
const END_TICKS = 5;
/** ... and both readings are below this part of their bounds. */
const END_RATIO = 0.9;

/**
 * Whether this process has more to do than it can: its resident memory or the event loop's lag is
 * over the policy's bound. While that is so new requests are answered 503 at once, but for health
 * checks; those in flight end as they would. New connections are taken all the same, for a health
 * check may come by one, and a 503 tells a caller more than a reset. The sidecar stays ready: an
 * app that is taken out of its Service for load gives that load to the others.
 *
 * A request reads `isShedding` and nothing else. Without a policy there is no timer.
 */
export class Overload {
  isShedding = false;
  reason: OverloadReason = "memory";
  /** Requests that were refused, by reason. */
  readonly shed = { memory: 0, "event-loop": 0 };
  readonly #source: OverloadSource;
  #policy: OverloadPolicy | null = null;
  #keepPaths: ReadonlySet<string> = new Set();
  #maxBytes = Number.POSITIVE_INFINITY;
  #timer: Timer | null = null;
  #tickMs = 0;
  #lagMs = 0;
  #overTicks = 0;
  #underTicks = 0;

  constructor(source: OverloadSource) {
    this.#source = source;
  }

  setPolicy(policy: OverloadPolicy | null): void {
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.stop();
    this.#policy = policy;
    if (policy === null) return;
    const { memory, keepPaths } = policy;
    const wholeBytes = "ratio" in memory ? availableBytes(this.#source.files) : 0;
    this.#maxBytes = "ratio" in memory ? Math.floor(memory.ratio * wholeBytes) : memory.bytes;
    this.#keepPaths = new Set(keepPaths);
    this.#tickMs = this.#source.clock.now();
    this.#timer = this.#source.clock.every(TICK_MS, () => this.#tick());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#policy = null;
    this.#overTicks = 0;
    if (this.isShedding) this.#end();
  }

  /** Called while it sheds: whether this request is one to refuse, which counts it. */
  refuses({ method, path }: RequestHead): boolean {
    const isCheck = (method === "GET" || method === "HEAD") && this.#keepPaths.has(path);
    if (isCheck) return false;
    this.shed[this.reason]++;
    return true;
  }

  /** Undefined without a policy. */
  stats(): OverloadStats | undefined {
    if (this.#policy === null) return undefined;
    return {
      shedding: this.isShedding ? this.reason : null,
      shedTotal: this.shed.memory + this.shed["event-loop"],
      eventLoopLagMs: this.#lagMs,
      maxBytes: Number.isFinite(this.#maxBytes) ? this.#maxBytes : null,
    };
  }

  #tick(): void {
    const { clock } = this.#source;
    const { eventLoopLagMs: maxLagMs } = this.#policy!;
    const now = clock.now();
    this.#lagMs = Math.max(0, now - this.#tickMs - TICK_MS);
    this.#tickMs = now;
    const bytes = this.#source.residentBytes();
    const load = Math.max(bytes / this.#maxBytes, this.#lagMs / maxLagMs);
    this.#overTicks = load >= 1 ? this.#overTicks + 1 : 0;
    this.#underTicks = load < END_RATIO ? this.#underTicks + 1 : 0;
    if (!this.isShedding && this.#overTicks >= BEGIN_TICKS) {
      this.isShedding = true;
      this.reason = bytes >= this.#maxBytes ? "memory" : "event-loop";
      this.#source.changed(this.reason, this.#detail(bytes, maxLagMs));
    } else if (this.isShedding && this.#underTicks >= END_TICKS) this.#end();
  }

  #detail(bytes: number, maxLagMs: number): string {
    const mebibytes = (count: number): string => `${(count / 2 ** 20).toFixed(0)} MiB`;
    return this.reason === "memory"
      ? `${mebibytes(bytes)} resident, the bound is ${mebibytes(this.#maxBytes)}`
      : `the event loop lags ${Math.round(this.#lagMs)} ms, the bound is ${maxLagMs} ms`;
  }

  #end(): void {
    this.isShedding = false;
    this.#source.changed(null, "");
  }
}

/** What this process may use: the least of its control groups' limits and the machine's memory. */
export function availableBytes(files: Files): number {
  const read = (path: string): string => {
    try {
      return files.readText(path);
    } catch {
      return "";
    }
  };
  const own = /^0::(\/.*)$/m.exec(read("/proc/self/cgroup"))?.[1] ?? "/";
  const limits = [
    read(`/sys/fs/cgroup${own === "/" ? "" : own}/memory.max`),
    read("/sys/fs/cgroup/memory.max"),
    read("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
  ].map((text) => (/^\d+$/.test(text.trim()) ? Number(text) : Number.POSITIVE_INFINITY));
  const kibibytes = /^MemTotal:\s+(\d+) kB$/m.exec(read("/proc/meminfo"))?.[1];
  const machine = kibibytes === undefined ? Number.POSITIVE_INFINITY : Number(kibibytes) * 1024;
  return Math.min(machine, ...limits);
}
