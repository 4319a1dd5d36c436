import { describe, expect, test } from "bun:test";
import { SimulatedRandom } from "../../../base/simulated/random.ts";
import { balancerContract, endpointsOf } from "./balancer_contract.ts";
import { ringHash } from "./ring_hash.ts";

// A ring's parts are as even as its points fall.
describe("ring hash", () => balancerContract(ringHash, { within: 0.35 }));

test("who leaves moves nobody else's requests, whoever stays", () => {
  const random = new SimulatedRandom(2);
  const endpoints = endpointsOf(1, 2, 3, 4, 5, 6);
  const balancer = ringHash.create(random);
  for (const gone of endpoints.slice(0, 5)) {
    balancer.update(endpoints);
    const keys = Array.from({ length: 1_000 }, () => random.uint32());
    const before = keys.map((hash) => balancer.pick(null, hash, 0));
    balancer.update(endpoints.filter((endpoint) => endpoint !== gone));
    for (const [at, hash] of keys.entries()) {
      if (before[at] !== gone) expect(balancer.pick(null, hash, 0)).toBe(before[at]!);
    }
  }
});
