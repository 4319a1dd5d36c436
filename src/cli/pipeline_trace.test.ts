import { expect, test } from "bun:test";
import { outrigger } from "./testdata/machine.ts";
import { runningPipeline } from "./testdata/running_pipeline.ts";

const STEPS =
  "[{ parse: { json: {} }, onError: drop }, { filter: 'event.n != 2' }, " +
  "{ enrich: { fields: { a: b } } }]";

test("pipeline trace shows what each step made of an event, and why one was dropped", async () => {
  const { world, append, stop } = await runningPipeline(STEPS);
  world.clock.after(1000, () => append('{"n":1}\n{"n":2}\nodd\n'));
  const { code, out } = await outrigger(world, "pipeline", "trace", "--count", "3");
  expect(code).toBe(0);
  expect(out).toContain('steps.2.enrich  changed\n      {"n":1,"a":"b"}');
  expect(out).toContain("out  delivered");
  expect(out).toMatch(/steps\.1\.filter {2}dropped/);
  expect(out).toContain("steps.0.parse  dropped: not-json");
  world.clock.after(1000, () => append('{"n":3}\n'));
  const json = await outrigger(world, "pipeline", "trace", "--count", "1", "-o", "json");
  // The pipeline writes to the same standard output.
  const line = json.out.split("\n").find((text) => text.startsWith('{"id"'));
  expect(JSON.parse(line!)).toMatchObject({ source: "app", in: '{"n":3}' });
  await stop();
});
