import { expect, test } from "bun:test";
import { assert, AssertionError } from "./assert.ts";

test("an assertion that fails is a bug and says so", () => {
  expect(() => assert(false, "two owners")).toThrow(new AssertionError("bug: two owners"));
  expect(() => assert(null, "nothing")).toThrow(AssertionError);
  expect(() => assert("something", "never")).not.toThrow();
});
