import { expect, test } from "bun:test";
import { runSteps } from "../testdata/run_step.ts";

test("each class has its own rate, and it comes back evenly", async () => {
  const run = runSteps([
    { classify: { by: "event.message", order: ["error", "info"], other: "debug" } },
    { rateLimit: { classes: { info: 2, debug: 0 }, per: "1s" } },
  ]);
  await run.feed("error", "info", "info", "info", "error", "noise");
  expect(run.out().map(({ message }) => message)).toEqual(["error", "info", "info", "error"]);
  expect(run.dropped()).toEqual({ "rate-limited:info": 1, "rate-limited:debug": 1 });
  await run.world.clock.advance(500);
  await run.feed("info", "info");
  expect(run.out().length).toBe(1);
});
