import { expect, test } from "bun:test";
import type { ProxyStats } from "../api/stats.ts";
import { ratesBetween } from "./rates.ts";

function stats(uptimeMs: number, good: number, bad: number, buckets: number[]): ProxyStats {
  const route = {
    name: "r",
    active: 0,
    answersByClass: [0, 0, good, 0, 0, bad],
    fallbacksTotal: 0,
    duration: { boundsMs: [10, 100], counts: buckets, sumMs: 0 },
  };
  const listener = { name: "inbound", direction: "inbound", routes: [route] };
  return {
    uptimeMs,
    listeners: [listener, { ...listener, name: "out", direction: "outbound" }],
    clusters: [{ triesTotal: 2 * (good + bad) }],
  } as unknown as ProxyStats;
}

test("rates are the difference of two readings, of the listeners that were asked for", () => {
  const rates = ratesBetween(
    stats(1_000, 100, 0, [100, 0, 0]),
    stats(3_000, 190, 10, [190, 10, 0]),
    2_000,
    ["inbound"],
  );
  expect(rates.requestsPerSecond).toBe(50);
  expect(rates.errorRatio).toBe(0.1);
  expect(rates.triesPerSecond).toBe(100);
  expect(rates.p50Ms).toBeCloseTo((50 / 90) * 10);
  expect(rates.p99Ms).toBeCloseTo(10 + 0.9 * 90);
});

test("a proxy that was started again counts from zero", () => {
  const before = stats(9_000, 500, 0, [500, 0, 0]);
  const after = stats(1_000, 10, 0, [0, 0, 10]);
  const rates = ratesBetween(before, after, 1_000, ["inbound"]);
  expect(rates.requestsPerSecond).toBe(10);
  expect(rates.p99Ms).toBe(100);
});

test("where nothing happened there is no latency", () => {
  const same = stats(1_000, 5, 0, [5, 0, 0]);
  const rates = ratesBetween(same, same, 1_000, ["inbound"]);
  expect([rates.requestsPerSecond, rates.errorRatio, rates.p50Ms]).toEqual([0, 0, null]);
});
