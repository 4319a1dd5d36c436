import { describe, expect, test } from "bun:test";
import { parse } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { expectBalanced, stopPipeline } from "../testdata/harness.ts";
import { runSteps } from "../testdata/run_step.ts";
import { aggregate } from "./aggregate.ts";

const METRICS = {
  n: { kind: "count" },
  total: { kind: "sum", of: "event.ms" },
  least: { kind: "min", of: "event.ms" },
  most: { kind: "max", of: "event.ms" },
  mean: { kind: "mean", of: "event.ms" },
  spread: { kind: "histogram", of: "event.ms", buckets: [10, 100] },
};

describe("metrics", () => {
  test("of each group in each window; every event is accounted for", async () => {
    const config = { by: ["http.path"], window: "10s", metrics: METRICS, name: "requests" };
    const run = runSteps([{ parse: { json: {} } }, { aggregate: config }]);
    const line = (path: string, ms: unknown): string => JSON.stringify({ http: { path }, ms });
    await run.feed(line("/a", 5), line("/a", 50), line("/a", 500), line("/b", "slow"));
    expect(run.out()).toEqual([]);
    expectBalanced(run.runner);
    await run.world.clock.advance(10_000);
    const [a, b] = run.out();
    expect(a).toMatchObject({
      name: "requests",
      window_ms: 10_000,
      http: { path: "/a" },
      n: 3,
      total: 555,
      least: 5,
      most: 500,
      mean: 185,
      spread: { buckets: { "10": 1, "100": 2, "+Inf": 3 }, sum: 555, count: 3 },
    });
    expect(b).toMatchObject({ http: { path: "/b" }, n: 1, total: 0, least: null, mean: null });
    expect(run.runner.ledger().sources["in"]).toMatchObject({
      received: 4,
      replaced: 4,
      made: 2,
      delivered: 2,
      buffered: 0,
    });
    await run.feed(line("/a", 1));
    await run.world.clock.advance(10_000);
    expect(run.out()[0]).toMatchObject({ n: 1 });
  });

  test("groups are bounded: the rest is one group that says so", async () => {
    const run = runSteps([
      { aggregate: { by: ["message"], maxGroups: 2, metrics: { n: { kind: "count" } } } },
    ]);
    await run.feed("a", "b", "c", "d", "a");
    await run.world.clock.advance(10_000);
    const shown = run.out().map(({ message, n, overflow }) => ({ message, n, overflow }));
    expect(shown).toEqual([
      { message: "a", n: 2, overflow: undefined },
      { message: "b", n: 1, overflow: undefined },
      { message: undefined, n: 2, overflow: true },
    ]);
  });

  test("an open window leaves when the pipeline stops", async () => {
    const run = runSteps([{ aggregate: { metrics: { n: { kind: "count" } }, window: "1h" } }]);
    await run.feed("a", "b", "c");
    await stopPipeline(run.world, run.runner);
    expect(run.out()).toMatchObject([{ n: 3 }]);
    expectBalanced(run.runner);
    expect(run.world.clock.pendingTimers).toBe(0);
  });

  test("a metric without what it needs is refused", () => {
    const problems = (metric: object): string[] =>
      parse(aggregate.config, nodeOf({ metrics: { x: metric } })).problems.map(
        ({ message }) => message,
      );
    expect(problems({ kind: "sum" })[0]).toContain("sum needs of");
    expect(problems({ kind: "histogram", of: "event.a" })[0]).toContain("needs buckets");
    expect(problems({ kind: "histogram", of: "event.a", buckets: [2, 1] })[0]).toContain("rise");
  });
});
