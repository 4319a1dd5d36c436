import type { AdaptivePolicy, BreakerPolicy, MirrorPolicy } from "../api/snapshot.ts";
import type { SimulatedRandom } from "../base/simulated/random.ts";
import { type ClusterShape, type RouteShape, type SnapshotShape, upstreamAt } from "./snapshots.ts";

/** The upstream that gets copies, by its number. */
export const SHADOW = 5;
export const MOST_COPIES = 3;
export const MOST_ADAPTIVE = 5;
export const MAX_MEMORY_BYTES = 100 * 2 ** 20;

const ADAPTIVE: AdaptivePolicy = {
  min: 2,
  max: MOST_ADAPTIVE,
  percentile: 0.5,
  windowMs: 100,
  measureEveryMs: 1_000,
  jitterRatio: 0.1,
  measureSamples: 5,
  tolerance: 0.25,
};
const MIRROR: MirrorPolicy = {
  cluster: "shadow",
  ratio: 0.6,
  timeoutMs: 700,
  maxBodyBytes: 2_000,
  maxInFlight: MOST_COPIES,
  shadowHost: true,
};
const LAST_GOOD = { maxAgeMs: 2_000, maxBytes: 65_536, maxEntries: 4 };
const SLOW = { slowCallMs: 150, slowCallRate: 0.5 };

/**
 * Policies that the simulation did not draw from its first day: mirrors, adaptive limits, last good
 * answers, slow calls, a limit of retries, slowed answers, overload. They have a generator of their
 * own, so that without them an old seed is the run that it was.
 */
export class LaterPolicies {
  readonly #random: SimulatedRandom;
  /** What was added to each route last: a store of last good answers goes with its route. */
  readonly #last = new Map<string, RouteShape>();

  constructor(random: SimulatedRandom) {
    this.#random = random;
  }

  /** `isQuiet`: nothing that costs time in a long rest. */
  addTo(shape: SnapshotShape, isQuiet: boolean): SnapshotShape {
    const random = this.#random;
    const { app, named, ...others } = shape.clusters!;
    const shadow: ClusterShape = { ...app!, endpoints: [upstreamAt(SHADOW)], breaker: null };
    const overload = {
      memory: { bytes: MAX_MEMORY_BYTES },
      eventLoopLagMs: 10_000,
      keepPaths: [],
    };
    return {
      ...shape,
      ...(!isQuiet && random.chance(0.4) ? { overload } : {}),
      listener: { routes: shape.listener!.routes!.map((route) => this.#route(route)) },
      clusters: { ...others, app: this.#cluster(app!), named: this.#cluster(named!), shadow },
    };
  }

  #route(route: RouteShape): RouteShape {
    const last = this.#last.get(route.name!);
    const added = last !== undefined && this.#random.chance(0.8) ? last : this.#added(route);
    this.#last.set(route.name!, added);
    return { ...route, ...added };
  }

  #added({ fallback }: RouteShape): RouteShape {
    const random = this.#random;
    const bandwidth = { bytesPerSecond: 100_000, ratio: 0.3 };
    const fault = { delay: null, abort: null, headers: {}, maxHeld: 2, bandwidth };
    return {
      ...(random.chance(0.6) ? { mirror: MIRROR } : {}),
      ...(fallback != null && random.chance(0.6)
        ? { fallback: { ...fallback, on: ["open", "exhausted"], lastGood: LAST_GOOD } }
        : {}),
      ...(random.chance(0.3) ? { filters: [{ filter: "fault", config: { ...fault } }] } : {}),
    };
  }

  #cluster(cluster: ClusterShape): ClusterShape {
    const random = this.#random;
    const { limits, breaker } = cluster;
    const slow: BreakerPolicy | null = breaker == null ? null : { ...breaker, ...SLOW };
    return {
      ...cluster,
      limits: {
        ...limits!,
        ...(random.chance(0.4) ? { maxRetries: random.integer(0, 1) } : {}),
        ...(random.chance(0.25) ? { adaptive: ADAPTIVE } : {}),
      },
      ...(random.chance(0.3) ? { breaker: slow } : {}),
    };
  }
}
