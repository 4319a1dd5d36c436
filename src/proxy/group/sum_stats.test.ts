import { expect, test } from "bun:test";
import type { ClusterStats, EndpointStats, ListenerStats, ProxyStats } from "../../api/stats.ts";
import { remainsOf, sumStats } from "./sum_stats.ts";

const endpoint = (over: Partial<EndpointStats>): EndpointStats => ({
  ...{ address: "10.0.0.1", port: 80, weight: 1, zone: "", healthy: true, ejected: false },
  ...{ active: 1, triesTotal: 10, triesFailedTotal: 1 },
  ...over,
});

const cluster = (over: Partial<ClusterStats> = {}): ClusterStats => ({
  ...{ name: "api", kind: "call", breaker: "open", requestsActive: 1, requestsPending: 2 },
  ...{ connectionsActive: 3, triesTotal: 4, triesFailedTotal: 5, retriesTotal: 6 },
  ...{ overflowTotal: 7, rejectedByBreakerTotal: 8, noEndpointTotal: 9 },
  adaptive: { limit: 10, minRttMs: 5, measuring: false, rejectedTotal: 1 },
  endpoints: [endpoint({})],
  ...over,
});

const listener = (over: Partial<ListenerStats> = {}): ListenerStats => ({
  ...{ name: "in", direction: "inbound", connectionsActive: 1, connectionsTotal: 2 },
  malformedTotal: 3,
  routes: [
    {
      ...{ name: "r", active: 1, answersByClass: [0, 0, 5, 0, 0, 1], fallbacksTotal: 1 },
      rateLimits: { all: { limited: { local: 1, shared: 0, away: 0 }, unanswered: 0 } },
      duration: { boundsMs: [1, 2], counts: [1, 2, 3], sumMs: 4 },
    },
  ],
  ...over,
});

const stats = (over: Partial<ProxyStats> = {}): ProxyStats => ({
  ...{ workload: { namespace: "n", name: "w" }, version: "1", policyHash: "p" },
  ...{ uptimeMs: 100, draining: false, residentBytes: 1_000, cpuMs: 10, events: [] },
  ...{ listeners: [listener()], clusters: [cluster()] },
  overload: { shedding: null, shedTotal: 1, eventLoopLagMs: 3, maxBytes: 500 },
  observed: [
    { from: null, listener: "in", host: "a", cluster: "api", count: 2, lastSeenMs: 50 },
  ],
  ...over,
});

test("rows meet by what they are about, and numbers add up where they are parts of a sum", () => {
  const other = stats({
    clusters: [
      cluster({
        endpoints: [
          endpoint({ healthy: false, ejected: true, weight: 0.5 }),
          endpoint({ address: "10.0.0.2" }),
        ],
      }),
      cluster({ name: "more" }),
    ],
    overload: { shedding: "memory", shedTotal: 1, eventLoopLagMs: 7, maxBytes: 500 },
    observed: [
      { from: null, listener: "in", host: "a", cluster: "api", count: 3, lastSeenMs: 70 },
      { from: null, listener: "in", host: "b", cluster: "", count: 1, lastSeenMs: 60 },
    ],
  });
  expect(sumStats([stats(), other])).toEqual(
    stats({
      listeners: [
        listener({
          ...{ connectionsActive: 2, connectionsTotal: 4, malformedTotal: 6 },
          routes: [
            {
              ...{ name: "r", active: 2, answersByClass: [0, 0, 10, 0, 0, 2], fallbacksTotal: 2 },
              rateLimits: { all: { limited: { local: 2, shared: 0, away: 0 }, unanswered: 0 } },
              duration: { boundsMs: [1, 2], counts: [2, 4, 6], sumMs: 8 },
            },
          ],
        }),
      ],
      clusters: [
        cluster({
          ...{ requestsActive: 2, requestsPending: 4, connectionsActive: 6, triesTotal: 8 },
          ...{ triesFailedTotal: 10, retriesTotal: 12, overflowTotal: 14 },
          ...{ rejectedByBreakerTotal: 16, noEndpointTotal: 18 },
          adaptive: { limit: 20, minRttMs: 5, measuring: false, rejectedTotal: 2 },
          endpoints: [
            endpoint({
              ...{ healthy: false, ejected: true, active: 2 },
              ...{ triesTotal: 20, triesFailedTotal: 2 },
            }),
            endpoint({ address: "10.0.0.2" }),
          ],
        }),
        cluster({ name: "more" }),
      ],
      overload: { shedding: "memory", shedTotal: 2, eventLoopLagMs: 7, maxBytes: 500 },
      observed: [
        { from: null, listener: "in", host: "a", cluster: "api", count: 5, lastSeenMs: 70 },
        { from: null, listener: "in", host: "b", cluster: "", count: 1, lastSeenMs: 60 },
      ],
    }),
  );
});

test("of one that is gone stays what it counted, of what is still there", () => {
  const dead = stats({ clusters: [cluster(), cluster({ name: "old" })] });
  const left = remainsOf(dead, stats());
  const sum = sumStats([stats(), left]);
  expect(sum.clusters.map(({ name }) => name)).toEqual(["api"]);
  expect(sum.clusters[0]).toMatchObject({ requestsActive: 1, triesTotal: 8 });
  expect(sum.clusters[0]!.adaptive!.limit).toBe(10);
  expect(sum.clusters[0]!.endpoints).toEqual([endpoint({})]);
  expect(sum.listeners[0]).toMatchObject({ connectionsActive: 1, connectionsTotal: 4 });
  expect(sum.listeners[0]!.routes[0]).toMatchObject({ active: 1, fallbacksTotal: 2 });
});
