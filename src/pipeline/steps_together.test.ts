import { describe, expect, test } from "bun:test";
// As a user's file imports it: the package's own name.
import type { Step } from "outrigger/pipeline";
import type { Event } from "../api/event.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { parse } from "../schema/field.ts";
import { nodeOf } from "../schema/node.ts";
import { EventBatch, addLines } from "./event_batch.ts";
import { putFiles, stepContext } from "./testdata/harness.ts";
import { runSteps } from "./testdata/run_step.ts";
import { transforms } from "./transforms/mod.ts";

const ORDERS = [
  { parse: { json: {} }, onError: "deadLetter" },
  { filter: 'event.level != "debug"' },
  { redact: { fields: ["message"], kinds: ["card", "email"] } },
  { typescript: "./steps/price.ts" },
  {
    classify: { by: "event.level", order: ["error", "warn", "info"] },
    shed: { lowestFirst: true },
  },
];

test("the steps of an order's pipeline: parsed, filtered, redacted, priced, classified", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const script = "export default (event) => ({ ...event, total: (event.price ?? 0) * 2 });";
  putFiles(world, { "steps/price.ts": script });
  const run = runSteps(ORDERS, world);
  await run.feed(
    '{"level":"info","message":"card 4111 1111 1111 1111","price":3}',
    '{"level":"debug","message":"noise"}',
    "no JSON",
    '{"level":"error","message":"ann@shop.example has no stock"}',
  );
  await world.clock.advance(1000);
  expect(run.out()).toEqual([
    { level: "info", message: "card ****", price: 3, total: 6 },
    { level: "error", message: "**** has no stock", total: 0 },
  ]);
  expect(run.dropped()).toEqual({ filtered: 1 });
  expect(run.runner.ledger().sources["in"]).toMatchObject({
    received: 4,
    delivered: 2,
    deadLettered: 1,
    buffered: 0,
  });
});

test("a function of a user's has types of its own package", () => {
  const step: Step = (event, ctx) => {
    if (typeof event["price"] !== "number") return ctx.drop("no-price");
    ctx.count("priced");
    return [{ ...event, source: ctx.source }];
  };
  const words: string[] = [];
  const ctx = {
    source: "app",
    path: "",
    receivedMs: 0,
    count: (name: string) => void words.push(name),
    drop: (reason: string) => {
      words.push(reason);
      return null;
    },
  };
  expect([step({ price: 1 }, ctx), step({}, ctx)]).toEqual([[{ price: 1, source: "app" }], null]);
  expect(words).toEqual(["priced", "no-price"]);
});

describe("steps that only look at a line leave it as it came", () => {
  const cases: Record<string, unknown> = {
    filter: 'event.message contains "a"',
    redact: {},
    classify: { by: "event.level", order: ["error"] },
    rateLimit: { classes: { info: 1 } },
    throttle: { events: 100, key: "event.message" },
    sample: { share: "100%", key: "event.message" },
    dedupe: {},
    route: { to: { never: 'event.message == "none"' } },
    enrich: { fields: {} },
  };
  for (const [name, config] of Object.entries(cases)) {
    test(name, () => {
      const definition = transforms.find((one) => one.name === name)!;
      const read = parse(definition.config, nodeOf(config));
      expect(read.problems).toEqual([]);
      const context = stepContext(createSimulatedWorld({ seed: 1 }));
      const step = definition.create(read.value, context);
      const chunk = Buffer.from("a line\nanother\n");
      const batch = new EventBatch("in", "s", "", chunk, 0, 0, () => {});
      const bounds = { maxLineBytes: 100, longLines: "split" } as const;
      addLines(batch, 0, chunk.length, bounds, { empty: 0, long: 0 });
      const out = step.apply([...batch.events]) as Event[];
      expect(out.map(({ fields }) => fields)).toEqual([null, null]);
    });
  }
});
