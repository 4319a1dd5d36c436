import { expect, test } from "bun:test";
import { parse } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { runSteps } from "../testdata/run_step.ts";
import { set } from "./set.ts";

test("fixed values, computed ones, and one that finds no place", async () => {
  const run = runSteps([
    { parse: { json: {} } },
    { set: { "a.b": 1, on: false, empty: "", sum: { expr: "event.x + event.a.b" } } },
  ]);
  await run.feed('{"x":2}', '{"a":"text","x":1}');
  expect(run.out()).toEqual([
    { x: 2, a: { b: 1 }, on: false, empty: "", sum: 3 },
    { a: "text", x: 1, parse_error: "no-place" },
  ]);
});

test("problems stand at their field", () => {
  const problems = parse(set.config, nodeOf({ a: { expr: "event." }, "b..c": 1 })).problems;
  expect(problems.map(({ field }) => field)).toEqual(["a.expr"]);
  expect(parse(set.config, nodeOf({ "b..c": 1 })).problems.length).toBe(1);
});
