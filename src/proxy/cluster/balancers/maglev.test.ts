import { describe, expect, test } from "bun:test";
import { SimulatedRandom } from "../../../base/simulated/random.ts";
import { balancerContract, endpointsOf } from "./balancer_contract.ts";
import { maglev } from "./maglev.ts";

describe("maglev", () => balancerContract(maglev, { within: 0.1 }));

test("with hundreds of endpoints each still has its part", () => {
  const endpoints = endpointsOf(...Array.from({ length: 200 }, () => 1));
  const random = new SimulatedRandom(4);
  const balancer = maglev.create(random);
  balancer.update(endpoints);
  const counts = new Map<unknown, number>();
  for (let count = 0; count < 200_000; count++) {
    const endpoint = balancer.pick(null, random.uint32(), 0);
    counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
  }
  expect(counts.size).toBe(200);
  expect(Math.max(...counts.values())).toBeLessThan(1_250);
  expect(Math.min(...counts.values())).toBeGreaterThan(800);
});
