import { expect, test } from "bun:test";
import {
  append,
  expectBalanced,
  policyOf,
  startPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";

test("every event is delivered at once, and nothing is held", async () => {
  const world = worldWithLogs(1);
  append(world, "/logs/app.log", "x\n".repeat(100_000));
  const sinks = { out: { component: "discard", config: {} } };
  const runner = startPipeline(world, policyOf({ sinks }));
  await world.clock.advance(3000);
  expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 100_000, buffered: 0 });
  expect(world.stdio.text()).toBe("");
  expectBalanced(runner);
});
