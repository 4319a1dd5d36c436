import type { BreakerPolicy, Snapshot } from "../../api/snapshot.ts";
import { Failure } from "../../base/failure.ts";
import type { Random } from "../../base/world.ts";
import { limitsOf } from "../limits/limit_stores.ts";
import { clusterGauges, type ClusterMemory } from "./cluster_share.ts";
import { buryGauges, gaugeDrifts, gaugeMemory, takeDrifts } from "./gauge.ts";
import { breakerMemory, type BreakerMemory, buryBreaker } from "./group_breaker.ts";
import { bucketMemory, buryBuckets } from "./group_buckets.ts";

/** The shared memory of what a Snapshot names: every worker gets the same. */
export interface Allotment {
  readonly clusters: Readonly<Record<string, ClusterMemory>>;
  /** A gauge of connections each. */
  readonly listeners: Readonly<Record<string, SharedArrayBuffer>>;
  /** The accounts of rate limits, by their identity. */
  readonly buckets: Readonly<Record<string, BucketsMemory>>;
  /** The first pass of the next breaker. */
  readonly nextPass: number;
}

export interface BucketsMemory {
  readonly cells: SharedArrayBuffer;
  readonly maxKeys: number;
}

export const NOTHING_ALLOTTED: Allotment = {
  clusters: {},
  listeners: {},
  buckets: {},
  nextPass: 1,
};

/** More changes of state than one breaker will see. */
const PASSES = 2 ** 31;

/** Of one limit: 25 bytes each, which several workers take from the start. */
const MOST_KEYS = 1_000_000;

/** What is in force, for which memory was allotted. */
export interface Allotted {
  readonly snapshot: Snapshot | null;
  readonly allotment: Allotment;
}

/** Memory for a Snapshot. What it has in common with the one before keeps its own: counts go on. */
export function allot(
  snapshot: Snapshot,
  workers: number,
  before: Allotted,
  random: Random,
): Allotment {
  const { clusters, listeners } = snapshot.policy;
  const known = before.allotment;
  let { nextPass } = known;
  const breakerOf = (name: string, policy: BreakerPolicy | null): BreakerMemory | null => {
    if (policy === null) return null;
    const old = known.clusters[name]?.breaker ?? null;
    const was = before.snapshot?.policy.clusters[name]?.breaker;
    if (old !== null && JSON.stringify(policy) === JSON.stringify(was)) return old;
    const memory = breakerMemory(workers, nextPass);
    nextPass += PASSES;
    return memory;
  };
  const shares = Object.entries(clusters).map(([name, { breaker }]) => {
    const gauges = known.clusters[name]?.gauges ?? clusterGauges(workers);
    return [name, { gauges, breaker: breakerOf(name, breaker) }] as const;
  });
  const counts = Object.keys(listeners).map((name) => {
    return [name, known.listeners[name] ?? gaugeMemory(1, workers)] as const;
  });
  const accounts = [...limitsOf(snapshot)].map(([identity, { name, maxKeys }]) => {
    if (!(maxKeys <= MOST_KEYS)) {
      const text = `rate_limit ${name}: maxKeys is ${maxKeys}; workers share at most ${MOST_KEYS}`;
      throw new Failure("refused", text);
    }
    const kept = known.buckets[identity];
    if (kept !== undefined) return [identity, kept] as const;
    return [identity, { maxKeys, cells: bucketMemory(maxKeys, random.secureBytes(8)) }] as const;
  });
  return {
    clusters: Object.fromEntries(shares),
    listeners: Object.fromEntries(counts),
    buckets: Object.fromEntries(accounts),
    nextPass,
  };
}

/** Gives back what a dead worker held. */
export function bury(allotment: Allotment, workers: number, dead: number): void {
  for (const memory of gaugesOf(allotment)) buryGauges(memory, workers, dead);
  for (const { breaker } of Object.values(allotment.clusters)) {
    if (breaker !== null) buryBreaker(breaker, dead);
  }
  for (const { cells, maxKeys } of Object.values(allotment.buckets)) {
    buryBuckets(cells, maxKeys, dead);
  }
}

function gaugesOf({ clusters, listeners }: Allotment): readonly SharedArrayBuffer[] {
  return [...Object.values(clusters).map(({ gauges }) => gauges), ...Object.values(listeners)];
}

/**
 * Finds what a worker took that died just before it wrote its own column. A live worker is between
 * its two writes too, now and then, so only what every look shows is lost.
 */
export class LostCounts {
  readonly #least = new Map<SharedArrayBuffer, number[]>();

  look(allotment: Allotment, workers: number): void {
    const isFirst = this.#least.size === 0;
    for (const memory of gaugesOf(allotment)) {
      const drifts = gaugeDrifts(memory, workers);
      const before = this.#least.get(memory);
      if (before !== undefined) {
        this.#least.set(memory, drifts.map((drift, gauge) => Math.min(drift, before[gauge]!)));
      } else if (isFirst) this.#least.set(memory, drifts);
    }
  }

  takeOff(workers: number): void {
    for (const [memory, drifts] of this.#least) takeDrifts(memory, workers, drifts);
    this.#least.clear();
  }
}
