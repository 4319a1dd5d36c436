import type { Random } from "../../../base/world.ts";
import type { Endpoint } from "../endpoint.ts";
import { type Balancer, type BalancerComponent, Draw } from "./balancer.ts";

/**
 * Of two at random the one with fewer tries in flight for its weight: nearly as good as to look at
 * all, and callers that see the same figures do not all run to the same endpoint.
 */
class LeastRequest extends Draw implements Balancer {
  readonly #random: Random;

  constructor(random: Random) {
    super();
    this.#random = random;
  }

  pick(avoid: Endpoint | null): Endpoint | null {
    const { endpoints } = this;
    if (endpoints.length < 2) return endpoints[0] ?? null;
    const one = this.draw(this.#random.next(), avoid);
    const other = this.draw(this.#random.next(), avoid);
    return other.active * one.share < one.active * other.share ? other : one;
  }
}

export const leastRequest: BalancerComponent = {
  name: "least-request",
  summary: "of two at random the one with fewer requests in flight for its weight",
  usesHash: false,
  usesLatency: false,
  create: (random) => new LeastRequest(random),
};
