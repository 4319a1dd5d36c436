import { expect, test } from "bun:test";
import { Histogram, LATENCY_BOUNDS_MS } from "./histogram.ts";

test("a duration falls into the first bucket whose bound it does not pass", () => {
  for (const [index, bound] of LATENCY_BOUNDS_MS.entries()) {
    const histogram = new Histogram();
    histogram.observe(bound);
    histogram.observe(bound * 1.0001);
    const { counts, boundsMs } = histogram.stats();
    expect([counts[index], counts[index + 1]]).toEqual([1, 1]);
    expect(counts.length).toBe(boundsMs.length + 1);
  }
});

test("nothing and very much have their buckets, and the sum is exact", () => {
  const histogram = new Histogram();
  for (const duration of [0, 1e9, 0.25]) histogram.observe(duration);
  const { counts, sumMs } = histogram.stats();
  expect([counts[0], counts.at(-1), sumMs]).toEqual([2, 1, 1e9 + 0.25]);
  expect(counts.reduce((sum, count) => sum + count)).toBe(3);
});

test("what was handed out does not change any more", () => {
  const histogram = new Histogram();
  const { counts } = histogram.stats();
  histogram.observe(1);
  expect(counts.every((count) => count === 0)).toBe(true);
});

test("bounds rise", () => {
  const sorted = [...LATENCY_BOUNDS_MS].sort((a, b) => a - b);
  expect(sorted).toEqual([...LATENCY_BOUNDS_MS]);
  expect(new Set(sorted).size).toBe(sorted.length);
});
