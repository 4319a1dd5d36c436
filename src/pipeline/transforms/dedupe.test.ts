import { expect, test } from "bun:test";
import { runSteps } from "../testdata/run_step.ts";

test("within the window, by chosen fields, of any length", async () => {
  const run = runSteps([
    { parse: { json: {} } },
    { dedupe: { fields: ["user", "text"], window: "10s" } },
  ]);
  const text = "x".repeat(1000);
  const line = (user: string, id: number): string => JSON.stringify({ user, id, text });
  await run.feed(line("ann", 1), line("ann", 2), line("bob", 3));
  expect(run.out().map(({ id }) => id)).toEqual([1, 3]);
  await run.world.clock.advance(9000);
  await run.feed(line("ann", 4));
  await run.world.clock.advance(1000);
  await run.feed(line("ann", 5));
  expect(run.out().map(({ id }) => id)).toEqual([5]);
  expect(run.dropped()).toEqual({ duplicate: 2 });
});

test("a missing value is not a null, nor a text; at the bound the oldest is forgotten", async () => {
  const run = runSteps([{ parse: { json: {} } }, { dedupe: { fields: ["a"], maxKeys: 3 } }]);
  await run.feed("{}", '{"a":null}', '{"a":"null"}', '{"a":"null"}');
  expect(run.out().length).toBe(3);
  await run.feed('{"a":4}', "{}");
  expect(run.out().length).toBe(2);
});
