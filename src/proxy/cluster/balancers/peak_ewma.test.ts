import { describe, expect, test } from "bun:test";
import { SimulatedRandom } from "../../../base/simulated/random.ts";
import { balancerContract, endpointsOf } from "./balancer_contract.ts";
import { peakEwma } from "./peak_ewma.ts";

describe("peak ewma", () => balancerContract(peakEwma, { within: 0.1 }));

const picksOf = (endpoints: ReturnType<typeof endpointsOf>, nowMs: number): number[] => {
  const balancer = peakEwma.create(new SimulatedRandom(3));
  balancer.update(endpoints);
  const counts = endpoints.map(() => 0);
  for (let count = 0; count < 400; count++) {
    counts[endpoints.indexOf(balancer.pick(null, 0, nowMs)!)]!++;
  }
  return counts;
};

test("the slow one is left to the draws that offer nothing else, until its peak has faded", () => {
  const endpoints = endpointsOf(1, 1);
  endpoints[0]!.latency.observe(500, 0);
  endpoints[1]!.latency.observe(20, 0);
  const [slow, fast] = picksOf(endpoints, 100);
  expect(slow!).toBeLessThan(140);
  expect(fast!).toBeGreaterThan(260);
  const later = picksOf(endpoints, 200_000);
  expect(Math.min(...later)).toBeGreaterThan(160);
});

test("a fast one with much in flight yields to a slower one without", () => {
  const endpoints = endpointsOf(1, 1);
  endpoints[0]!.latency.observe(10, 0);
  endpoints[0]!.active = 20;
  endpoints[1]!.latency.observe(50, 0);
  const [busy, idle] = picksOf(endpoints, 0);
  expect(busy!).toBeLessThan(idle!);
});

test("a peak counts at once, and fades with what follows", () => {
  const [endpoint] = endpointsOf(1);
  const { latency } = endpoint!;
  latency.observe(10, 0);
  latency.observe(300, 10);
  expect(latency.at(10)).toBe(300);
  latency.observe(10, 10_010);
  expect(latency.at(10_010)).toBeCloseTo(300 * Math.exp(-1) + 10 * (1 - Math.exp(-1)), 5);
});
