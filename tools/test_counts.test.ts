import { expect, test } from "bun:test";
import { countsOf, sum } from "./test.ts";

const report = (attributes: string) =>
  `<?xml version="1.0"?>\n<testsuites name="bun test" ${attributes}>\n` +
  `<testsuite tests="9"/></testsuites>`;

test("a report's counts are those of its first element", () => {
  const counts = countsOf(report('tests="10" assertions="30" failures="2" skipped="1"'), 1);
  expect(counts).toEqual({ passed: 7, failed: 2, skipped: 1 });
});

test("a run that ends badly without a failed test counts as one failure", () => {
  const counts = countsOf(report('tests="3" failures="0" skipped="0"'), 1);
  expect(counts).toEqual({ passed: 3, failed: 1, skipped: 0 });
});

test("no report, and a report of no test, are failures", () => {
  expect(countsOf("", 0).failed).toBe(1);
  expect(countsOf(report('tests="0" failures="0" skipped="0"'), 0).failed).toBe(1);
});

test("sums add up", () => {
  const one = { passed: 1, failed: 2, skipped: 3 };
  expect(sum([one, one])).toEqual({ passed: 2, failed: 4, skipped: 6 });
});
