import { expect, test } from "bun:test";
import { garbageRun } from "../sim/garbage.fuzz.ts";

test.each([1, 2, 3, 4, 5])("garbled requests and answers do no harm (seed %d)", async (seed) => {
  const { requests, malformed, problems } = await garbageRun(seed);
  expect(problems).toEqual([]);
  expect(requests).toBeGreaterThan(50);
  expect(malformed).toBeGreaterThan(20);
});
