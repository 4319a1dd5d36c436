import { expect, test } from "bun:test";
import type { ProxyStats } from "../api/stats.ts";
import { topRows } from "./top.ts";

function stats(uptimeMs: number, answers: number, tries: number): ProxyStats {
  const duration = { boundsMs: [1, 10], counts: [answers, 0, 0], sumMs: 1 };
  const route = { name: "/*", active: 1, fallbacksTotal: 0, duration };
  const answersByClass = [0, 0, answers - 1, 0, 0, 1];
  const cluster = {
    ...{ name: "api", breaker: "closed", requestsActive: 2, triesTotal: tries, triesFailedTotal: 1 },
    ...{ retriesTotal: 0, overflowTotal: tries, rejectedByBreakerTotal: 0, noEndpointTotal: 0 },
  };
  return {
    uptimeMs,
    listeners: [{ name: "inbound", routes: [{ ...route, answersByClass }] }],
    clusters: [cluster],
  } as unknown as ProxyStats;
}

test("rates are of what grew between two readings, after a restart of all since then", () => {
  const [route, cluster] = topRows("a", stats(1_000, 10, 5), stats(3_000, 30, 9), 2_000);
  expect(route).toMatchObject({ perSecond: 10, errorRatio: 0, active: 1, p50Ms: 0.5 });
  expect(cluster).toMatchObject({ perSecond: 2, errorRatio: 0, refusedPerSecond: 2, breaker: "closed" });
  const [again, tries] = topRows("a", stats(9_000, 99, 99), stats(2_000, 4, 8), 5_000);
  expect([again!.perSecond, again!.errorRatio, tries!.perSecond]).toEqual([2, 0.25, 4]);
});

test("nothing that ended is no error and has no time", () => {
  const [route] = topRows("a", stats(1_000, 10, 5), stats(2_000, 10, 5), 1_000);
  expect(route).toMatchObject({ perSecond: 0, errorRatio: 0, p50Ms: null, p99Ms: null });
});
