import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { HttpServer, textAnswer } from "../http/server.ts";
import { type LoadOptions, type LoadReport, runLoad } from "./load.ts";

const OPTIONS: LoadOptions = {
  address: { host: "127.0.0.1", port: 8080 },
  host: "a",
  path: "/",
  method: "GET",
  headers: {},
  rate: null,
  durationMs: 1_000,
  connections: 4,
  timeoutMs: 10_000,
};

async function loadOf(delayMs: (count: number) => number, options: Partial<LoadOptions>) {
  const world = createSimulatedWorld({ seed: 1 });
  let count = 0;
  const server = new HttpServer(world, {
    address: OPTIONS.address,
    handle: async () => {
      count += 1;
      await world.clock.sleep(delayMs(count));
      return textAnswer(200, "x");
    },
  });
  server.start();
  let report: LoadReport | null = null;
  void runLoad(world, { ...OPTIONS, ...options }).then((done) => (report = done));
  await world.clock.until(() => report !== null, 60_000);
  server.stop();
  await world.clock.advance(10_000);
  expect(world.leaks()).toEqual([]);
  return report as unknown as LoadReport;
}

test("without a rate each connection sends the next request as soon as it can", async () => {
  const report = await loadOf(() => 100, {});
  expect(report.requests).toBe(40);
  expect(report.successRate).toBe(1);
});

test("a server that stalls is not measured too well", async () => {
  // One connection, and the tenth answer takes a second: those that wait for it waited too.
  const report = await loadOf((count) => (count === 10 ? 1_000 : 1), {
    rate: 100,
    connections: 1,
    durationMs: 3_000,
  });
  expect(report.requests).toBe(300);
  expect(report.p50Ms).toBeLessThan(50);
  expect(report.p90Ms).toBeGreaterThan(500);
});

test("requests without an answer are counted by reason", async () => {
  const report = await loadOf(() => 5_000, { rate: 10, timeoutMs: 50, connections: 10 });
  expect(report.failures).toEqual({ timeout: 10 });
  expect(report.successRate).toBe(0);
  expect(report.p50Ms).toBeNull();
});
