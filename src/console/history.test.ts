import { expect, test } from "bun:test";
import type { ClusterStats, ListenerStats, ProxyStats } from "../api/stats.ts";
import { History } from "./history.ts";

function listener(name: string, ok: number, failed: number, fallbacks = 0): ListenerStats {
  return {
    name,
    direction: name.startsWith("call:") ? "outbound" : "inbound",
    connectionsActive: 0,
    connectionsTotal: 0,
    malformedTotal: 0,
    routes: [
      {
        name: "all",
        active: 0,
        answersByClass: [0, 0, ok, 0, 0, failed],
        fallbacksTotal: fallbacks,
        duration: { boundsMs: [1, 10], counts: [ok, failed, 0], sumMs: 0 },
      },
    ],
  };
}

function cluster(tries: number, failed: number, breaker: ClusterStats["breaker"]): ClusterStats {
  return {
    name: "api",
    kind: "call",
    breaker,
    requestsActive: 0,
    requestsPending: 0,
    connectionsActive: 0,
    triesTotal: tries,
    triesFailedTotal: failed,
    retriesTotal: 0,
    overflowTotal: 0,
    rejectedByBreakerTotal: 0,
    noEndpointTotal: 0,
    endpoints: [],
  };
}

function stats(
  uptimeMs: number,
  listeners: readonly ListenerStats[],
  clusters: readonly ClusterStats[],
): ProxyStats {
  return {
    workload: { namespace: "shop", name: "frontend" },
    version: "v",
    policyHash: "p",
    uptimeMs,
    draining: false,
    residentBytes: 0,
    cpuMs: 0,
    listeners,
    clusters,
    events: [],
  };
}

function app(reading: ProxyStats | null) {
  return { workload: "shop/frontend", url: null, processes: [], stats: reading };
}

test("a sample is what changed between two readings, by the second", () => {
  const history = new History();
  const before = [listener("inbound", 100, 10), listener("call:api", 50, 5, 1)];
  history.add([app(stats(1000, before, [cluster(60, 6, "closed")]))], 0, 10_000);
  const after = [listener("inbound", 118, 12), listener("call:api", 70, 5, 11)];
  history.add([app(stats(3000, after, [cluster(64, 9, "open")]))], 2000, 12_000);
  const sample = history.since(10_000)[0]!.workloads["shop/frontend"]!;
  expect(sample.requests).toBe(10);
  expect(sample.success).toBeCloseTo(0.9);
  expect(sample.calls).toEqual({
    api: { requests: 10, success: 1, tries: 2, triesFailed: 1.5, fallbacks: 5, breaker: "open" },
  });
});

test("an adaptive limit is among what is known of a call", () => {
  const history = new History();
  const adaptive = { limit: 17, minRttMs: 4, measuring: false, rejectedTotal: 3 };
  for (const second of [1, 2]) {
    const callee = { ...cluster(0, 0, "none"), adaptive };
    history.add([app(stats(second * 1000, [], [callee]))], second * 1000, second * 1000);
  }
  const sample = history.since(1_000)[0]!.workloads["shop/frontend"]!;
  expect(sample.calls.api!.limit).toBe(17);
});

test("a sidecar that was restarted counts from zero, and one without answer is left out", () => {
  const history = new History();
  history.add([app(stats(60_000, [listener("inbound", 500, 0)], []))], 0, 1000);
  history.add([app(stats(500, [listener("inbound", 3, 0)], []))], 1000, 2000);
  history.add([app(null)], 2000, 3000);
  const [, restarted, silent] = history.since(0);
  expect(restarted!.workloads["shop/frontend"]!.requests).toBe(3);
  expect(silent!.workloads).toEqual({});
});

test("ten minutes are kept", () => {
  const history = new History();
  for (let second = 1; second <= 700; second++) history.add([], second * 1000, second * 1000);
  expect(history.since(0).length).toBe(600);
  expect(history.since(0)[0]!.timeMs).toBe(101_000);
});
