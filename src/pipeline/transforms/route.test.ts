import { expect, test } from "bun:test";
import { STDOUT, startPipeline } from "../testdata/harness.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { runSteps } from "../testdata/run_step.ts";

test("the first name that fits, or none", async () => {
  const to = { errors: "event.n > 10", big: "event.n > 5" };
  const run = runSteps([{ parse: { json: {} } }, { route: { to, field: "meta.route" } }]);
  await run.feed('{"n":11}', '{"n":6}', '{"n":1}');
  expect(run.out()).toEqual([
    { n: 11, meta: { route: "errors" } },
    { n: 6, meta: { route: "big" } },
    { n: 1 },
  ]);
});

test("a sink takes the events that are named for it", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const route = { to: { out: 'event.message startsWith "o"' }, otherwise: "none" };
  const runner = startPipeline(world, {
    sources: { in: { component: "stdin", config: {} } },
    steps: [{ component: "route", config: route }],
    sinks: {
      out: { ...STDOUT, from: { when: 'event.route == "out"' } },
      all: { component: "discard", config: {} },
    },
  });
  world.stdio.stdin.feed("one\ntwo\nother\n");
  await world.clock.advance(10);
  const { sinks } = runner.ledger();
  expect([sinks["out"]!.delivered, sinks["all"]!.delivered]).toEqual([2, 3]);
});
