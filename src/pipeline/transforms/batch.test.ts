import { describe, expect, test } from "bun:test";
import { expectBalanced, stopPipeline } from "../testdata/harness.ts";
import { runSteps } from "../testdata/run_step.ts";

describe("a batch ends", () => {
  test("by number, by age, and when the pipeline stops", async () => {
    const run = runSteps([{ batch: { maxEvents: 2, maxAge: "1s", into: "all.of" } }]);
    await run.feed("a", "b", "c");
    expect(run.out()).toEqual([{ all: { of: [{ message: "a" }, { message: "b" }] } }]);
    await run.world.clock.advance(1000);
    expect(run.out()).toEqual([{ all: { of: [{ message: "c" }] } }]);
    await run.feed("d");
    await stopPipeline(run.world, run.runner);
    expect(run.out()).toEqual([{ all: { of: [{ message: "d" }] } }]);
    expectBalanced(run.runner);
    expect(run.world.clock.pendingTimers).toBe(0);
  });

  test("before it is too large", async () => {
    const run = runSteps([{ batch: { maxBytes: "1KiB", maxAge: "1s" } }]);
    await run.feed("x".repeat(600), "y".repeat(600));
    expect(run.out().length).toBe(1);
  });
});
