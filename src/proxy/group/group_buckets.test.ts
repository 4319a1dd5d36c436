import { expect, test } from "bun:test";
import fc from "fast-check";
import { type BucketRate, TokenBuckets } from "../../policy/token_bucket.ts";
import { bucketMemory, buryBuckets, GroupBuckets } from "./group_buckets.ts";

const SECRET = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
const RATE: BucketRate = { burst: 10, tokens: 10, perMs: 1_000 };
const OFFSETS = [0, 12_345, -777];

function group(rate = RATE, maxKeys = 100) {
  const memory = bucketMemory(maxKeys, SECRET);
  const workers = OFFSETS.map((clockOffsetMs, worker) => {
    const quiet = { askForRoom: () => {}, watchFilters: () => {} };
    const member = { worker, workers: 3, clockOffsetMs, ...quiet };
    return new GroupBuckets(memory, rate, maxKeys, member);
  });
  const take = (worker: number, key: string, nowMs: number) =>
    workers[worker]!.take(key, nowMs - OFFSETS[worker]!);
  return { memory, take, sizes: () => workers.map(({ size }) => size) };
}

test("workers by turns get what one alone would", () => {
  const step = fc.record({
    worker: fc.nat(2),
    key: fc.constantFrom("", "10.0.0.1", "10.0.0.2", "/a/b", "x".repeat(200)),
    waitMs: fc.nat(300),
  });
  const rate = fc.record({
    burst: fc.integer({ min: 1, max: 20 }),
    tokens: fc.integer({ min: 1, max: 50 }),
    perMs: fc.integer({ min: 100, max: 60_000 }),
  });
  fc.assert(
    fc.property(rate, fc.array(step, { maxLength: 200 }), (rate, steps) => {
      const one = new TokenBuckets(rate, 100);
      const { take, sizes } = group(rate);
      let nowMs = 20_000;
      for (const { worker, key, waitMs } of steps) {
        nowMs += waitMs;
        expect(take(worker, key, nowMs)).toEqual(one.take(key, nowMs));
      }
      expect(sizes()).toEqual([one.size, one.size, one.size]);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test("a clock that is a little behind takes nothing away", () => {
  const { take } = group();
  const taken = Array.from({ length: 12 }, (_, at) => take(at % 2, "a", 1_000 - (at % 2) * 0.4));
  expect(taken.filter(({ allowed }) => allowed).length).toBe(10);
});

test("a table that is full forgets who loses the least by that, and stays as large as it is", () => {
  const { take, sizes } = group({ burst: 5, tokens: 1, perMs: 1_000 }, 4);
  for (let count = 0; count < 5; count++) take(0, "busy", 1_000);
  for (const key of ["a", "b", "c", "d", "e", "f"]) take(1, key, 1_001);
  expect(sizes()).toEqual([4, 4, 4]);
  expect(take(2, "busy", 1_002).allowed).toBe(false);
});

test("among as many keys as it is for, few are forgotten early; among a half, next to none", () => {
  const forgottenOf = (keys: number): number => {
    const { take } = group({ burst: 1, tokens: 1, perMs: 1e9 }, 10_000);
    let again = 0;
    for (const round of [0, 1]) {
      for (let key = 0; key < keys; key++) {
        if (take(key % 3, `10.0.${key >> 8}.${key & 255}`, 1_000 + round).allowed) again += round;
      }
    }
    return again / keys;
  };
  expect(forgottenOf(10_000)).toBeLessThan(0.15);
  expect(forgottenOf(5_000)).toBeLessThan(0.01);
});

test("what a dead worker held locked is opened", () => {
  const { memory, take } = group(RATE, 1);
  new Int32Array(memory)[2] = 2;
  buryBuckets(memory, 1, 1);
  expect(take(0, "a", 0).allowed).toBe(true);
});
