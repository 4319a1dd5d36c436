import type { Endpoint } from "../endpoint.ts";
import { type Balancer, type BalancerComponent, buildKey } from "./balancer.ts";
import { hashText, mix } from "./hash.ts";

/** Of the heaviest endpoint: the more, the evener. */
const POINTS = 160;
/** Of the whole ring. */
const MAX_POINTS = 65_536;
const OWNERS = 65_536;
const STEP = 0x9e3779b9;

/**
 * Every endpoint has points on a ring, a request goes to the next one from its hash on: who leaves
 * gives its part to its neighbours, and nobody else's requests move. Slow start does not count
 * here: it would move them.
 */
class RingHash implements Balancer {
  #endpoints: readonly Endpoint[] = [];
  #built = "";
  /** Hash and owner in one number, in order. */
  #ring = new Float64Array(0);

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    const built = buildKey(endpoints);
    if (built === this.#built) return;
    this.#built = built;
    const heaviest = Math.max(1, ...endpoints.map(({ weight }) => weight));
    const points: number[] = [];
    const most = pointsEach(endpoints.length);
    for (const [owner, { key, weight }] of endpoints.entries()) {
      const first = hashText(key);
      const count = Math.max(1, Math.round((most * weight) / heaviest));
      for (let index = 0; index < count; index++) {
        points.push(mix(first + Math.imul(index, STEP)) * OWNERS + owner);
      }
    }
    this.#ring = Float64Array.from(points).sort();
  }

  pick(avoid: Endpoint | null, hash: number): Endpoint | null {
    const ring = this.#ring;
    if (ring.length === 0) return null;
    let low = 0;
    let high = ring.length;
    const wanted = hash * OWNERS;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ring[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    for (let step = 0; step < ring.length; step++) {
      const endpoint = this.#endpoints[ring[(low + step) % ring.length]! % OWNERS]!;
      if (endpoint !== avoid) return endpoint;
    }
    return avoid;
  }
}

/** Halved until the ring is small enough: while that number stays, nobody else's points move. */
function pointsEach(endpoints: number): number {
  let points = POINTS;
  while (points > 1 && points * endpoints > MAX_POINTS) points = Math.floor(points / 2);
  return points;
}

export const ringHash: BalancerComponent = {
  name: "ring-hash",
  summary: "the same key to the same endpoint; one that leaves moves its own requests only",
  usesHash: true,
  usesLatency: false,
  create: () => new RingHash(),
};
