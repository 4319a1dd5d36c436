import { expect, test } from "bun:test";
import { ObservedCalls } from "./observed.ts";

test("counts by cluster and host, whatever the case of the host", () => {
  const observed = new ObservedCalls();
  observed.add("api", "API.example", 1);
  observed.add("api", "api.example", 5);
  observed.add("", "api.example", 7);
  expect(observed.list()).toEqual([
    { cluster: "api", host: "api.example", count: 2, lastMs: 5 },
    { cluster: "", host: "api.example", count: 1, lastMs: 7 },
  ]);
});

test("is bounded: further hosts, and endless ones, count together", () => {
  const observed = new ObservedCalls();
  observed.add("api", "x".repeat(256), 1);
  for (let index = 0; index < 1_000; index++) observed.add("api", `h${index}`, index);
  const entries = observed.list();
  expect(entries.length).toBe(257);
  expect(entries.find(({ host }) => host === "*")!.count).toBe(745);
  expect(entries.reduce((sum, { count }) => sum + count, 0)).toBe(1_001);
});
