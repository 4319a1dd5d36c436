import { expect, test } from "bun:test";
import { shownClusters } from "./clusters.ts";
import { outrigger } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

test("clusters show breakers, endpoints with their state, connections and tries", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  running.answer = () => 500;
  await ask("/api/a");
  await ask("/api/a");
  const { out } = await outrigger(world, "clusters", "frontend");
  expect(out).toMatch(/^shop\/frontend +app +none +0 +0 +1 +127\.0\.0\.1:18080 +healthy +1 +- +0 +2 +/m);
  expect(out).toMatch(/^shop\/frontend +api +open +0 +0 +\d +127\.0\.0\.1:9000 +healthy +1 +- +0 +2 +2$/m);
  await running.stop();
});

test("an endpoint that is left out says why", async () => {
  const endpoint = { ...{ address: "10.0.0.1", port: 80, weight: 1, zone: "" }, active: 0 };
  const counts = { triesTotal: 3, triesFailedTotal: 3 };
  const cluster = {
    name: "api",
    endpoints: [
      { ...endpoint, ...counts, healthy: true, ejected: true },
      { ...endpoint, ...counts, port: 81, healthy: false, ejected: false },
      { ...endpoint, ...counts, port: 82, healthy: true, ejected: false },
    ],
  };
  const at = { timeMs: 1, subject: "api" };
  const events = [
    { ...at, kind: "endpoint-ejected", text: "10.0.0.1:80 is left out for 30 s: 5 in a row failed" },
    { ...at, kind: "endpoint-unhealthy", text: "10.0.0.1:81 is ill: it answered 503" },
    { ...at, subject: "other", kind: "endpoint-unhealthy", text: "10.0.0.1:81 is ill: not this one" },
  ];
  const [shown] = shownClusters("shop/a", { clusters: [cluster], events } as never);
  expect(shown!.endpoints.map(({ state, why }) => [state, why])).toEqual([
    ["ejected", "is left out for 30 s: 5 in a row failed"],
    ["unhealthy", "is ill: it answered 503"],
    ["healthy", null],
  ]);
});
