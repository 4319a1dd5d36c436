import { expect, test } from "bun:test";
import fc from "fast-check";
import { TokenBuckets } from "./token_bucket.ts";

const TEN_A_SECOND = { burst: 10, tokens: 10, perMs: 1_000 };

test("a full bucket gives its burst at once, then one token each time that one came back", () => {
  const buckets = new TokenBuckets(TEN_A_SECOND, 10);
  const at = (nowMs: number) => buckets.take("a", nowMs);
  for (let remaining = 9; remaining >= 0; remaining--) {
    expect(at(0)).toMatchObject({ allowed: true, remaining });
  }
  expect(at(0)).toEqual({ allowed: false, remaining: 0, retryMs: 100, resetMs: 1_000 });
  expect(at(60)).toMatchObject({ allowed: false, retryMs: 40 });
  expect(at(100).allowed).toBe(true);
  expect(at(100).allowed).toBe(false);
  expect(at(60_000)).toMatchObject({ allowed: true, remaining: 9, resetMs: 100 });
});

test("each key has a bucket of its own", () => {
  const buckets = new TokenBuckets({ ...TEN_A_SECOND, burst: 1 }, 10);
  expect(["a", "b", "a", "b"].map((key) => buckets.take(key, 0).allowed)).toEqual([
    ...[true, true],
    ...[false, false],
  ]);
});

test("above maxKeys the key that was used longest ago is forgotten", () => {
  const buckets = new TokenBuckets({ ...TEN_A_SECOND, burst: 1 }, 2);
  for (const key of ["a", "b", "a", "c"]) buckets.take(key, 0);
  expect(buckets.size).toBe(2);
  expect(buckets.take("a", 0).allowed).toBe(false);
  expect(buckets.take("b", 0).allowed).toBe(true);
});

test("never more than burst and what came back, and never fewer than that allows", () => {
  const waits = fc.array(fc.nat(500), { minLength: 1, maxLength: 200 });
  const rate = fc.record({
    burst: fc.integer({ min: 1, max: 20 }),
    tokens: fc.integer({ min: 1, max: 50 }),
    perMs: fc.integer({ min: 1, max: 5_000 }),
  });
  fc.assert(
    fc.property(rate, waits, (given, steps) => {
      const buckets = new TokenBuckets(given, 1);
      let nowMs = 0;
      let taken = 0;
      for (const step of steps) {
        nowMs += step;
        const { allowed, retryMs } = buckets.take("a", nowMs);
        if (allowed) taken++;
        else {
          expect(retryMs).toBeGreaterThan(0);
          // A token is there exactly after the time that was named.
          nowMs += retryMs + 1e-3;
          expect(buckets.take("a", nowMs).allowed).toBe(true);
          taken++;
        }
        const most = given.burst + (nowMs * given.tokens) / given.perMs;
        expect(taken).toBeLessThanOrEqual(most + 1e-3);
      }
    }),
    { seed: 1, numRuns: 200 },
  );
});
