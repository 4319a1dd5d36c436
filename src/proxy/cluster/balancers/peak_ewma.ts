import type { Random } from "../../../base/world.ts";
import type { Endpoint } from "../endpoint.ts";
import { type Balancer, type BalancerComponent, Draw } from "./balancer.ts";

/**
 * Of two at random the one where a request is likely to be through first: how long tries took there
 * lately, times the tries in flight for its weight and this one (as in Finagle and Linkerd).
 */
class PeakEwma extends Draw implements Balancer {
  readonly #random: Random;

  constructor(random: Random) {
    super();
    this.#random = random;
  }

  pick(avoid: Endpoint | null, _hash: number, nowMs: number): Endpoint | null {
    const { endpoints } = this;
    if (endpoints.length < 2) return endpoints[0] ?? null;
    const one = this.draw(this.#random.next(), avoid);
    const other = this.draw(this.#random.next(), avoid);
    return cost(other, nowMs) < cost(one, nowMs) ? other : one;
  }
}

function cost({ latency, active, share }: Endpoint, nowMs: number): number {
  // At least a millisecond: one that never answered must not look like the fastest.
  return Math.max(1, latency.at(nowMs)) * (active / share + 1);
}

export const peakEwma: BalancerComponent = {
  name: "peak-ewma",
  summary: "of two at random the one that lately answered faster, with what it has in flight",
  usesHash: false,
  usesLatency: true,
  create: (random) => new PeakEwma(random),
};
