import { expect, test } from "bun:test";
import { compileLinearRegex } from "./linear_regex.ts";

const matches = (pattern: string, text: string): boolean => {
  const regex = compileLinearRegex(pattern);
  if (typeof regex === "string") throw new Error(regex);
  return regex.matches(text);
};

test("the whole text has to match", () => {
  expect(matches("/v[0-9]+/items", "/v12/items")).toBe(true);
  expect(matches("/v[0-9]+/items", "/v12/items/1")).toBe(false);
  expect(matches("/v[0-9]+/items", "x/v12/items")).toBe(false);
  expect(matches("^/a$|/b", "/b")).toBe(true);
});

test("an expression that would run away elsewhere just does not match", () => {
  // 2^5000 ways to split it: with backtracking this test would not end.
  expect(matches("/(a+)+b", `/${"a".repeat(5_000)}`)).toBe(false);
  expect(matches("/(a|a)*(a|aa)*b", `/${"a".repeat(5_000)}`)).toBe(false);
});

test.each([
  ["(a)\\1", "invalid escape sequence"],
  ["(?<=a)b", "invalid"],
  ["(a", "missing closing )"],
  ["(a{100}){100}", "invalid repeat count"],
  ["(?:[a-z]{900}){1}[a-z]{900}[a-z]{900}", "too large"],
])("%s is refused with a reason", (pattern, reason) => {
  expect(compileLinearRegex(pattern)).toContain(reason);
});
