import { expect, test } from "bun:test";
import type { Ledger } from "../pipeline/ledger.ts";
import { imbalance } from "../pipeline/ledger.ts";
import { machine, outrigger } from "./testdata/machine.ts";
import { runningPipeline } from "./testdata/running_pipeline.ts";

test("pipeline ledger shows the books of what runs, and they add up", async () => {
  const { world, append, settle, stop } = await runningPipeline();
  append('{"n":1}\nodd\n{"n":2}\n');
  await settle();
  const json = await outrigger(world, "pipeline", "ledger", "-o", "json");
  const ledgers = JSON.parse(json.out) as Record<string, Ledger>;
  const line = ledgers["default.orders"]!.sources["app"]!;
  expect(line).toMatchObject({ received: 3, delivered: 2, deadLettered: 1, buffered: 0 });
  expect(imbalance(line)).toBe(0);
  const table = await outrigger(world, "pipeline", "ledger");
  expect(table.out).toMatch(/^default\.orders +source app +3 +0 +0 +2 +0 +0 +1 +0$/m);
  await stop();
});

test("nothing runs: said with what to do, status 9", async () => {
  const { code, err } = await outrigger(machine(), "pipeline", "ledger");
  expect(code).toBe(9);
  expect(err).toContain("outrigger pipeline FILE");
});

test("a second process with the same state is refused", async () => {
  const { world, stop } = await runningPipeline();
  const { code, err } = await outrigger(world, "pipeline", "p.yaml");
  expect([code, err.includes("--state DIR")]).toEqual([10, true]);
  await stop();
});
