import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import {
  STDOUT,
  expectBalanced,
  policyOf,
  startPipeline,
  stopPipeline,
} from "../testdata/harness.ts";

const policy = (config: object) =>
  policyOf({ sources: { tick: { component: "timer", config: { ...config } } } });

test("an event at each interval, with its time, until the count is reached", async () => {
  const world = createSimulatedWorld({ seed: 1, startMs: Date.UTC(2024, 2, 1) });
  const runner = startPipeline(world, policy({ interval: "1m", count: 3, fields: { n: 7 } }));
  await world.clock.advance(10 * 60_000);
  const lines = world.stdio.text().trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
    [1, 2, 3].map((minute) => ({ time: `2024-03-01T00:0${minute}:00.000Z`, n: 7 })),
  );
  await stopPipeline(world, runner);
  expect(world.leaks()).toEqual([]);
});

test("what finds no room is left out and counted", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.stdio.stdout.isBlocked = true;
  const buffer = { maxEvents: 2, maxBytes: 10_000 };
  const runner = startPipeline(world, {
    ...policy({ interval: "1s" }),
    sinks: { out: { ...STDOUT, buffer } },
  });
  await world.clock.advance(5500);
  expect(runner.ledger().sources["tick"]!.received).toBe(2);
  expect(runner.metrics()).toMatch(/counter="skipped"} 3/);
  world.stdio.stdout.isBlocked = false;
  await world.clock.advance(1000);
  expect(runner.ledger().sources["tick"]!.received).toBe(3);
  expectBalanced(runner);
});
