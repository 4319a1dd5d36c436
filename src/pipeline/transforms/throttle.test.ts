import { expect, test } from "bun:test";
import { runSteps } from "../testdata/run_step.ts";

test("each key by itself; a forgotten one begins anew", async () => {
  const throttle = { events: 2, per: "10s", key: "event.user", maxKeys: 2 };
  const run = runSteps([{ parse: { json: {} } }, { throttle }]);
  const line = (user: string): string => JSON.stringify({ user });
  await run.feed(line("ann"), line("ann"), line("ann"), line("bob"));
  expect(run.out().map(({ user }) => user)).toEqual(["ann", "ann", "bob"]);
  await run.feed(line("carl"), line("ann"));
  expect(run.out().map(({ user }) => user)).toEqual(["carl", "ann"]);
  expect(run.dropped()).toEqual({ throttled: 1 });
});

test("all events together, and time brings room", async () => {
  const run = runSteps([{ throttle: { events: 1, per: "1s" } }]);
  await run.feed("a", "b");
  await run.world.clock.advance(1000);
  await run.feed("c");
  expect(run.out().map(({ message }) => message)).toEqual(["a", "c"]);
});
