import type { Endpoint } from "../endpoint.ts";
import { type Balancer, type BalancerComponent, isEven } from "./balancer.ts";

/** Each in turn; by weight smoothly, as nginx does: a heavy one's turns lie between the others'. */
class RoundRobin implements Balancer {
  #endpoints: readonly Endpoint[] = [];
  #isEven = true;
  #next = 0;
  /** How much each is owed. */
  #owed = new Float64Array(0);

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    this.#isEven = isEven(endpoints);
    if (!this.#isEven) this.#owed = new Float64Array(endpoints.length);
  }

  pick(avoid: Endpoint | null): Endpoint | null {
    const endpoints = this.#endpoints;
    const count = endpoints.length;
    if (count === 0) return null;
    if (!this.#isEven) return this.#pickSmoothly(avoid);
    if (this.#next >= count) this.#next = 0;
    let endpoint = endpoints[this.#next]!;
    this.#next = (this.#next + 1) % count;
    if (endpoint === avoid && count > 1) {
      endpoint = endpoints[this.#next]!;
      this.#next = (this.#next + 1) % count;
    }
    return endpoint;
  }

  /** Everyone is owed its share, who is owed most has its turn and pays for all. */
  #pickSmoothly(avoid: Endpoint | null): Endpoint {
    const endpoints = this.#endpoints;
    const owed = this.#owed;
    let best = -1;
    let total = 0;
    for (let index = 0; index < endpoints.length; index++) {
      const endpoint = endpoints[index]!;
      owed[index]! += endpoint.share;
      total += endpoint.share;
      if (endpoint !== avoid && (best < 0 || owed[index]! > owed[best]!)) best = index;
    }
    owed[best]! -= total;
    return endpoints[best]!;
  }
}

export const roundRobin: BalancerComponent = {
  name: "round-robin",
  summary: "each in turn, by weight",
  usesHash: false,
  usesLatency: false,
  create: () => new RoundRobin(),
};
