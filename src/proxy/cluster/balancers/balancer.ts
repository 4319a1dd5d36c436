import type { BalancePolicyName } from "../../../api/snapshot.ts";
import type { Random } from "../../../base/world.ts";
import type { Endpoint } from "../endpoint.ts";

/**
 * Chooses among endpoints that may be used; who may be is decided before (`endpoint_set.ts`).
 * `pick` allocates nothing.
 */
export interface Balancer {
  /** From now on these, with their `share`s; called on every change of either. */
  update(endpoints: readonly Endpoint[]): void;
  /**
   * `avoid` is passed over where there is another; null where there is none at all. `hash` is the
   * request's, an unsigned 32-bit integer, for balancers that go by it. `nowMs` is the clock's.
   */
  pick(avoid: Endpoint | null, hash: number, nowMs: number): Endpoint | null;
}

/** One balancer's file: what it is, and how one is made for a group of endpoints. */
export interface BalancerComponent {
  readonly name: BalancePolicyName;
  readonly summary: string;
  /** It goes by a request's hash. */
  readonly usesHash: boolean;
  /** It goes by how long tries took: `Endpoint.latency` is kept for it. */
  readonly usesLatency: boolean;
  create(random: Random): Balancer;
}

/** Endpoints with what is drawn from their shares; balancers that draw extend it. */
export class Draw {
  endpoints: readonly Endpoint[] = [];
  #isEven = true;
  #total = 0;

  update(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    this.#isEven = isEven(endpoints);
    this.#total = 0;
    for (const { share } of endpoints) this.#total += share;
  }

  /** One of several by its share, never `avoid`; `chance` is in [0, 1). */
  draw(chance: number, avoid: Endpoint | null): Endpoint {
    const { endpoints } = this;
    const avoided = avoid === null ? -1 : endpoints.indexOf(avoid);
    if (this.#isEven) {
      const count = avoided < 0 ? endpoints.length : endpoints.length - 1;
      const index = Math.floor(chance * count);
      return endpoints[avoided >= 0 && index >= avoided ? index + 1 : index]!;
    }
    let point = chance * (avoided < 0 ? this.#total : this.#total - endpoints[avoided]!.share);
    let last = -1;
    for (let index = 0; index < endpoints.length; index++) {
      if (index === avoided) continue;
      last = index;
      point -= endpoints[index]!.share;
      if (point < 0) break;
    }
    return endpoints[last]!;
  }
}

export function isEven(endpoints: readonly Endpoint[]): boolean {
  return endpoints.every(({ share }) => share === endpoints[0]!.share);
}

/** What tables that go by keys and written weights are built from: as long as it stays, they do. */
export function buildKey(endpoints: readonly Endpoint[]): string {
  return endpoints.map(({ key, weight }) => `${key} ${weight}`).join(",");
}
