import { expect, test } from "bun:test";
import fc from "fast-check";
import { increment, ListenerCounters, StatusCounts } from "./counters.ts";

test("each status is counted, in whatever order they come", () => {
  const status = fc.constantFrom(0, 101, 200, 204, 301, 404, 500, 503, 599);
  fc.assert(
    fc.property(fc.array(status), (statuses) => {
      const counts = new StatusCounts();
      for (const one of statuses) counts.add(one);
      const expected = [...new Set(statuses)]
        .sort((a, b) => a - b)
        .map((one) => [one, statuses.filter((other) => other === one).length]);
      expect(counts.entries() as unknown).toEqual(expected);
      expect(counts.total).toBe(statuses.length);
      expect(counts.byClass()).toEqual(
        [0, 1, 2, 3, 4, 5].map(
          (hundred) => statuses.filter((one) => Math.trunc(one / 100) === hundred).length,
        ) as never,
      );
    }),
    { seed: 1 },
  );
});

test("a route's counters are the same each time", () => {
  const listener = new ListenerCounters();
  expect(listener.route("a")).toBe(listener.route("a"));
  expect(listener.route("b")).not.toBe(listener.route("a"));
});

test("a key starts at one", () => {
  const map = new Map<string, number>();
  for (const key of ["a", "b", "a"]) increment(map, key);
  expect([...map]).toEqual([["a", 2], ["b", 1]]);
});
