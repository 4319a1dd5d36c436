import { expect, test } from "bun:test";
import { runSteps } from "../testdata/run_step.ts";

test("fields and fields in fields; what is not there does not matter", async () => {
  const run = runSteps([{ parse: { json: {} } }, { remove: ["password", "http.cookie", "x[0]"] }]);
  await run.feed('{"password":"p","http":{"cookie":"c","path":"/"},"x":[1,2]}', '{"a":1}');
  expect(run.out()).toEqual([{ http: { path: "/" }, x: [2] }, { a: 1 }]);
});
