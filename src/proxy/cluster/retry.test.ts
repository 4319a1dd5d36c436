import { expect, test } from "bun:test";
import { SimulatedRandom } from "../../base/simulated/random.ts";
import type { RetryCondition, RetryPolicy } from "../../api/snapshot.ts";
import { backoffMs, isIdempotent, retriesFailure, retriesStatus, retryBudget } from "./retry.ts";

const policy = (over: Partial<RetryPolicy>): RetryPolicy => ({
  attempts: 3,
  on: [],
  perTryTimeoutMs: 0,
  backoff: { baseMs: 25, maxMs: 250 },
  budgetRatio: 0.2,
  budgetMinimum: 3,
  methods: "idempotent",
  maxBodyBytes: 0,
  ...over,
});

test("idempotent methods are those of RFC 9110, 9.2.2", () => {
  const methods = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "get", "X"];
  expect(methods.filter(isIdempotent)).toEqual(methods.slice(0, 6));
});

test.each<[RetryCondition, number[]]>([
  ["5xx", [500, 501, 502, 503, 504, 505, 599]],
  ["gateway-error", [502, 503, 504]],
  ["reset", []],
  ["connect-failure", []],
])("%s covers the statuses %p", (condition, covered) => {
  const statuses = [200, 304, 404, 429, 499, 500, 501, 502, 503, 504, 505, 599];
  const on = policy({ on: [condition] });
  expect(statuses.filter((status) => retriesStatus(on, status))).toEqual(covered);
});

test("a failure without an answer is covered by its own condition and by 5xx", () => {
  expect(retriesFailure(policy({ on: ["reset"] }), "reset")).toBe(true);
  expect(retriesFailure(policy({ on: ["5xx"] }), "reset")).toBe(true);
  expect(retriesFailure(policy({ on: ["5xx"] }), "connect-failure")).toBe(true);
  expect(retriesFailure(policy({ on: ["gateway-error", "connect-failure"] }), "reset")).toBe(false);
});

test("the wait is uniform up to a ceiling that doubles to its most", () => {
  const random = new SimulatedRandom(1);
  const ceilings = [25, 50, 100, 200, 250, 250];
  ceilings.forEach((ceiling, retry) => {
    const waits = Array.from({ length: 2_000 }, () => backoffMs(policy({}), retry, random));
    const mean = waits.reduce((sum, wait) => sum + wait) / waits.length;
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
    expect(Math.min(...waits)).toBeLessThan(ceiling * 0.02);
    expect(Math.max(...waits)).toBeLessThan(ceiling);
    expect(Math.max(...waits)).toBeGreaterThan(ceiling * 0.98);
    expect(Math.abs(mean / ceiling - 0.5)).toBeLessThan(0.03);
  });
});

test("the budget is a part of what is in flight, or its least, whichever is more", () => {
  expect([1, 15, 100].map((active) => retryBudget(policy({}), active))).toEqual([3, 3, 20]);
});
