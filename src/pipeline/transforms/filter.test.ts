import { expect, test } from "bun:test";
import { parse } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { runSteps } from "../testdata/run_step.ts";
import { filter } from "./filter.ts";

test("what is not let through is counted; an event that nothing decodes leaves as it came", async () => {
  const run = runSteps([{ filter: 'event.message contains "o"' }]);
  await run.feed("one", "six", "two");
  expect(run.out()).toEqual([{ message: "one" }, { message: "two" }]);
  expect(run.dropped()).toEqual({ filtered: 1 });
});

test("a condition that is none is refused with its column", () => {
  const read = parse(filter.config, nodeOf('event.level == "error" &&'));
  expect(read.problems.map(({ advice }) => advice)).toEqual([
    "column 26: found the end, expected a value such as event.level",
  ]);
});
