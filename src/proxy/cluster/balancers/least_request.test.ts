import { describe, expect, test } from "bun:test";
import { SimulatedRandom } from "../../../base/simulated/random.ts";
import { balancerContract, endpointsOf } from "./balancer_contract.ts";
import { leastRequest } from "./least_request.ts";

describe("least request", () => balancerContract(leastRequest, { within: 0.1 }));

test("who has much in flight is passed over, for its weight", () => {
  const endpoints = endpointsOf(1, 1, 4);
  const balancer = leastRequest.create(new SimulatedRandom(3));
  balancer.update(endpoints);
  for (let count = 0; count < 600; count++) balancer.pick(null, 0, 0)!.active++;
  const [one, two, three] = endpoints.map(({ active }) => active) as [number, number, number];
  expect(Math.abs(one - two)).toBeLessThan(10);
  expect(Math.abs(three - 4 * one)).toBeLessThan(30);
});

test("one that does not answer fills up and is left alone", () => {
  const [stuck, quick] = endpointsOf(1, 1);
  const balancer = leastRequest.create(new SimulatedRandom(3));
  balancer.update([stuck!, quick!]);
  stuck!.active = 50;
  let picked = 0;
  for (let count = 0; count < 400; count++) if (balancer.pick(null, 0, 0) === stuck) picked++;
  // Both draws fell on it.
  expect(picked).toBeLessThan(140);
});
