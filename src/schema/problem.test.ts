import { expect, test } from "bun:test";
import { nodeOf } from "./node.ts";
import type { Problem } from "./problem.ts";
import {
  MAX_SHOWN_PROBLEMS,
  ProblemList,
  formatProblem,
  formatProblems,
  foundText,
  problemsAsJson,
  shorten,
} from "./problem.ts";

const problem = (file: string, line: number, column = 1): Problem => ({
  file,
  line,
  column,
  field: "spec.calls.api.timeuot",
  found: '"timeuot"',
  message: '"timeuot" is not a field of calls.api',
  advice: 'did you mean "timeout"?',
});

test("a problem is one line", () => {
  expect(formatProblem(problem("shop.yaml", 14, 7))).toBe(
    'shop.yaml:14:7: "timeuot" is not a field of calls.api; did you mean "timeout"?',
  );
  expect(formatProblem({ ...problem("f", 1), advice: null })).not.toContain(";");
});

test("many are sorted by file and line, cut, and counted", () => {
  const list = new ProblemList();
  for (let i = 2000; i > 0; i--) list.add(problem(i % 2 === 0 ? "b" : "a", i));
  const { problems, more } = list.sorted(["b", "a"]);
  expect(problems).toHaveLength(MAX_SHOWN_PROBLEMS);
  expect(more).toBe(1900);
  expect(problems.every((one) => one.file === "b")).toBe(true);
  expect(problems.map((one) => one.line)).toEqual(
    problems.map((one) => one.line).sort((a, b) => a - b),
  );
  expect(formatProblems(problems, more)).toEndWith("\nand 1900 more");
  expect(problemsAsJson(problems.slice(0, 1), 3)).toEqual({ problems: [problems[0]!], more: 3 });
});

test("what was found is short, and nothing in it moves the terminal", () => {
  expect(shorten("x".repeat(100))).toBe(`${"x".repeat(40)}...`);
  expect(shorten("a\nb\t\u001b[31m\u202e\u0085")).toBe("a\\nb\\t\\u001b[31m\\u202e\\u0085");
  expect(foundText(nodeOf({ a: 1, b: 2, c: 3, d: 4 }))).toBe("an object with a, b, c, ...");
  expect(foundText(nodeOf([]))).toBe("an empty list");
  expect(foundText(nodeOf(null))).toBe("nothing");
});
