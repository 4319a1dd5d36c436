import { expect, test } from "bun:test";
import type { Random } from "../../../base/world.ts";
import { SimulatedRandom } from "../../../base/simulated/random.ts";
import { Endpoint } from "../endpoint.ts";
import type { Balancer, BalancerComponent } from "./balancer.ts";

export function endpointsOf(...weights: number[]): Endpoint[] {
  return weights.map((weight, index) => {
    const endpoint = new Endpoint(`10.0.0.${index + 1}`, 80);
    endpoint.weight = endpoint.share = weight;
    return endpoint;
  });
}

export interface Promises {
  /** How far a count may be from its part, of that part. */
  readonly within: number;
}

const PICKS = 20_000;

/** What every balancer promises. */
export function balancerContract(component: BalancerComponent, { within }: Promises): void {
  const chance = (seed = 1): Random => new SimulatedRandom(seed);
  const made = (endpoints: readonly Endpoint[], random = chance()): Balancer => {
    const balancer = component.create(random);
    balancer.update(endpoints);
    return balancer;
  };
  const hashes = new SimulatedRandom(7);
  const pick = (balancer: Balancer, avoid: Endpoint | null = null): Endpoint | null =>
    balancer.pick(avoid, hashes.uint32(), 1);

  test("nothing of nothing, also after there was something", () => {
    const [only] = endpointsOf(1);
    const balancer = component.create(chance());
    expect(pick(balancer)).toBeNull();
    balancer.update([only!]);
    expect(pick(balancer)).toBe(only!);
    balancer.update([]);
    expect(pick(balancer)).toBeNull();
    expect(pick(balancer, only!)).toBeNull();
  });

  test("the one of one, even where it is to be avoided", () => {
    const [only] = endpointsOf(3);
    expect(pick(made([only!]), only!)).toBe(only!);
  });

  test("never the one to avoid where there is another", () => {
    for (const endpoints of [endpointsOf(1, 1), endpointsOf(1, 1, 1), endpointsOf(5, 1, 2)]) {
      const balancer = made(endpoints);
      for (let count = 0; count < 300; count++) {
        const avoid = endpoints[count % endpoints.length]!;
        expect(pick(balancer, avoid)).not.toBe(avoid);
      }
    }
  });

  test("what has left is not picked, what has come is", () => {
    const [one, two, three] = endpointsOf(1, 1, 1) as [Endpoint, Endpoint, Endpoint];
    const balancer = made([one, two, three]);
    for (const list of [[one, two], [two, three], [three], [one, two, three]]) {
      balancer.update(list);
      const picked = new Set(Array.from({ length: 400 }, () => pick(balancer)));
      expect(picked).toEqual(new Set(list));
    }
  });

  for (const weights of [
    [1, 1, 1, 1],
    [5, 3, 2],
    [1, 10],
  ]) {
    test(`parts follow the weights ${weights.join(", ")}`, () => {
      const endpoints = endpointsOf(...weights);
      const balancer = made(endpoints);
      const counts = new Map<Endpoint, number>();
      for (let count = 0; count < PICKS; count++) {
        const endpoint = pick(balancer)!;
        counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
      }
      const total = weights.reduce((sum, weight) => sum + weight);
      for (const endpoint of endpoints) {
        const part = (PICKS * endpoint.weight) / total;
        expect(Math.abs(counts.get(endpoint)! - part) / part).toBeLessThanOrEqual(within);
      }
    });
  }

  test("the same seed and the same requests are the same picks", () => {
    const runs = [1, 2].map(() => {
      const endpoints = endpointsOf(1, 2, 3, 1);
      const balancer = made(endpoints, chance(5));
      const keys = new SimulatedRandom(3);
      return Array.from({ length: 200 }, () => balancer.pick(null, keys.uint32(), 1)!.key);
    });
    expect(runs[0]).toEqual(runs[1]!);
  });

  if (!component.usesHash) return;

  test("one hash goes to one endpoint, whatever the order of the list", () => {
    const endpoints = endpointsOf(1, 1, 1, 1, 1);
    const balancer = made(endpoints);
    const reversed = made([...endpoints].reverse());
    for (let count = 0; count < 500; count++) {
      const hash = hashes.uint32();
      const picked = balancer.pick(null, hash, 1);
      expect(balancer.pick(null, hash, 1)).toBe(picked);
      expect(reversed.pick(null, hash, 1)).toBe(picked);
    }
  });

  test("who leaves moves its own part and little else, and gets it back", () => {
    const endpoints = endpointsOf(...Array.from({ length: 10 }, () => 1));
    const balancer = made(endpoints);
    const keys = Array.from({ length: 5_000 }, () => hashes.uint32());
    const picks = (): Endpoint[] => keys.map((hash) => balancer.pick(null, hash, 1)!);
    const before = picks();
    const gone = endpoints[3]!;
    balancer.update(endpoints.filter((endpoint) => endpoint !== gone));
    const others = picks().filter((picked, at) => before[at] !== gone && picked !== before[at]);
    expect(others.length / keys.length).toBeLessThanOrEqual(0.05);
    balancer.update(endpoints);
    expect(picks()).toEqual(before);
  });
}
