import { describe, expect, test } from "bun:test";
import { balancerContract, endpointsOf } from "./balancer_contract.ts";
import { roundRobin } from "./round_robin.ts";
import { SimulatedRandom } from "../../../base/simulated/random.ts";

describe("round robin", () => balancerContract(roundRobin, { within: 0.001 }));

const balancerOf = (endpoints: ReturnType<typeof endpointsOf>) => {
  const balancer = roundRobin.create(new SimulatedRandom(1));
  balancer.update(endpoints);
  return balancer;
};

test("each in turn", () => {
  const all = endpointsOf(1, 1, 1);
  const balancer = balancerOf(all);
  const picks = Array.from({ length: 7 }, () => all.indexOf(balancer.pick(null, 0, 0)!));
  expect(picks).toEqual([0, 1, 2, 0, 1, 2, 0]);
});

test("a heavy one's turns lie between the others'", () => {
  const all = endpointsOf(5, 1, 1);
  const balancer = balancerOf(all);
  const picks = Array.from({ length: 7 }, () => all.indexOf(balancer.pick(null, 0, 0)!));
  expect(picks).toEqual([0, 0, 1, 0, 2, 0, 0]);
});

test("a list that shrinks or grows is gone through whole", () => {
  const all = endpointsOf(1, 1, 1, 1, 1);
  const balancer = balancerOf(all);
  for (let count = 0; count < 4; count++) balancer.pick(null, 0, 0);
  for (const size of [2, 5, 3]) {
    balancer.update(all.slice(0, size));
    const picked = new Set(Array.from({ length: size }, () => balancer.pick(null, 0, 0)));
    expect(picked.size).toBe(size);
  }
});
