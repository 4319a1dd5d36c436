import { expect, test } from "bun:test";
import { outrigger } from "./testdata/machine.ts";
import { runningPipeline } from "./testdata/running_pipeline.ts";

test("pipeline top shows rates and buffers between two looks", async () => {
  const { world, append, settle, stop } = await runningPipeline();
  append('{"n":1}\n');
  await settle();
  world.clock.after(500, () => append('{"n":2}\n'.repeat(40)));
  const { code, out } = await outrigger(world, "pipeline", "top", "--once", "--interval", "4s");
  expect(code).toBe(0);
  expect(out).toMatch(/^default\.orders +source app +10\/s +10\/s +0 /m);
  expect(out).toMatch(/^default\.orders +sink out +10\/s +10\/s +0 +- +0\.0s +0% full$/m);
  const json = await outrigger(world, "pipeline", "top", "-o", "json");
  const state = JSON.parse(json.out) as Record<string, { sinks: object }>;
  expect(state["default.orders"]!.sinks).toMatchObject({ out: { waiting: 0, diskBytes: null } });
  await stop();
});
