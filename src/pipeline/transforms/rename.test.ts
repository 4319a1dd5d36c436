import { expect, test } from "bun:test";
import { runSteps } from "../testdata/run_step.ts";

test("in order, over what is there, and into a field that is no object: onError decides", async () => {
  const rename = { a: "b", b: "c", "d.x": "e", missing: "f" };
  const run = runSteps([{ parse: { json: {} } }, { rename }]);
  await run.feed('{"a":1,"b":2,"d":{"x":3,"y":4}}');
  expect(run.out()).toEqual([{ c: 1, d: { y: 4 }, e: 3 }]);
  const other = runSteps([{ parse: { json: {} } }, { rename: { a: "b.c" }, onError: "drop" }]);
  await other.feed('{"a":1,"b":2}', '{"a":1}');
  expect(other.out()).toEqual([{ b: { c: 1 } }]);
  expect(other.dropped()).toEqual({ "no-place": 1 });
});
