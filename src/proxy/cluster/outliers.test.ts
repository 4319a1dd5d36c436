import { beforeEach, expect, test } from "bun:test";
import type { OutlierPolicy } from "../../api/snapshot.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../../base/simulated/mod.ts";
import { endpointsOf } from "./balancers/balancer_contract.ts";
import type { Endpoint } from "./endpoint.ts";
import { Outliers } from "./outliers.ts";

const POLICY: OutlierPolicy = {
  consecutive5xx: 3,
  consecutiveGatewayErrors: 0,
  successRate: null,
  intervalMs: 10_000,
  baseMs: 1_000,
  maxMs: 2_500,
  maxEjectedRatio: 0.5,
};

let world: SimulatedWorld;
let outliers: Outliers;
let endpoints: Endpoint[];
let told: string[];

beforeEach(() => {
  world = createSimulatedWorld({ seed: 1 });
  told = [];
  const number = (endpoint: Endpoint): number => endpoints.indexOf(endpoint) + 1;
  outliers = new Outliers(world.clock, {
    ejected: (endpoint, reason, forMs) => told.push(`${number(endpoint)} ${reason} ${forMs}`),
    returned: (endpoint) => told.push(`${number(endpoint)} back`),
    reviewed: () => {},
  });
});

function begin(policy: Partial<OutlierPolicy> = {}, count = 4): void {
  endpoints = endpointsOf(...Array.from({ length: count }, () => 1));
  outliers.setEndpoints(endpoints);
  outliers.setPolicy({ ...POLICY, ...policy });
}

function record(index: number, ...statuses: number[]): void {
  for (const status of statuses) outliers.record(endpoints[index - 1]!, status);
}

const ejected = (): number[] =>
  endpoints.flatMap(({ isEjected }, index) => (isEjected ? [index + 1] : []));

test("so many failures in a row eject, a success between them starts anew", () => {
  begin();
  record(1, 500, 0, 200, 500, 503);
  expect(ejected()).toEqual([]);
  record(1, 500);
  expect([ejected(), told]).toEqual([[1], ["1 5xx 1000"]]);
  outliers.stop();
});

test("gateway errors count for themselves: a 500 is the app's own", () => {
  begin({ consecutive5xx: 0, consecutiveGatewayErrors: 2 });
  record(1, 502, 500, 503, 500, 500, 500);
  expect(ejected()).toEqual([]);
  record(2, 504, 0);
  expect(told).toEqual(["2 gateway-error 1000"]);
  outliers.stop();
});

test("each ejection lasts longer, up to the longest; quiet intervals forgive", async () => {
  begin();
  for (const forMs of [1_000, 2_000, 2_500, 2_500]) {
    record(1, 500, 500, 500);
    expect(told.at(-1)).toBe(`1 5xx ${forMs}`);
    await world.clock.advance(forMs - 1);
    expect(ejected()).toEqual([1]);
    await world.clock.advance(1);
    expect(told.at(-1)).toBe("1 back");
  }
  await world.clock.advance(50_000);
  record(1, 500, 500, 500);
  expect(told.at(-1)).toBe("1 5xx 1000");
  outliers.stop();
});

test("at most their part is ejected, yet one of two always may be, and never the only one", () => {
  begin();
  for (const index of [1, 2, 3, 4]) record(index, 500, 500, 500);
  expect(ejected()).toEqual([1, 2]);
  outliers.stop();
  for (const [count, ratio, wanted] of [
    [2, 0.1, [1]],
    [2, 1, [1, 2]],
    [1, 1, []],
  ] as const) {
    const deaf = { ejected: () => {}, returned: () => {}, reviewed: () => {} };
    outliers = new Outliers(world.clock, deaf);
    begin({ maxEjectedRatio: ratio }, count);
    for (let index = 1; index <= count; index++) record(index, 500, 500, 500);
    expect(ejected()).toEqual([...wanted]);
    outliers.stop();
  }
});

test("who fails clearly more often than the others is ejected when the interval ends", async () => {
  const successRate = { minEndpoints: 4, minRequests: 10, deviations: 1.5 };
  begin({ consecutive5xx: 0, successRate });
  const interval = async (failuresOfTwo: number, tries = 10): Promise<void> => {
    for (let count = 0; count < tries; count++) {
      for (const index of [1, 2, 3, 4]) {
        record(index, index === 2 && count < failuresOfTwo ? 500 : 200);
      }
    }
    await world.clock.advance(10_000);
  };
  await interval(0);
  await interval(4, 9);
  expect(told).toEqual([]);
  await interval(4);
  expect(told[0]).toBe("2 success-rate 1000");
  outliers.stop();
});

test("an endpoint that is removed, or a policy that goes, leaves no timer", async () => {
  begin();
  record(1, 500, 500, 500);
  record(2, 500, 500, 500);
  endpoints[0]!.removed = true;
  outliers.setEndpoints(endpoints.slice(1));
  outliers.setPolicy(null);
  expect(told.slice(2)).toEqual(["2 back"]);
  expect(world.leaks()).toEqual([]);
  begin();
  record(3, 500, 500, 500);
  outliers.stop();
  record(4, 500, 500, 500);
  expect(world.leaks()).toEqual([]);
});
