import type { Random } from "../../../base/world.ts";
import type { Endpoint } from "../endpoint.ts";
import { type Balancer, type BalancerComponent, Draw } from "./balancer.ts";

class RandomBalancer extends Draw implements Balancer {
  readonly #random: Random;

  constructor(random: Random) {
    super();
    this.#random = random;
  }

  pick(avoid: Endpoint | null): Endpoint | null {
    const { endpoints } = this;
    if (endpoints.length < 2) return endpoints[0] ?? null;
    return this.draw(this.#random.next(), avoid);
  }
}

export const random: BalancerComponent = {
  name: "random",
  summary: "at random, by weight",
  usesHash: false,
  usesLatency: false,
  create: (chance) => new RandomBalancer(chance),
};
