import { expect, test } from "bun:test";
import { Xoshiro128 } from "./xoshiro.ts";

test("it gives the numbers of the reference implementation", () => {
  // Computed from xoshiro128starstar.c with the state 1, 2, 3, 4.
  const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849];
  const generator = new Xoshiro128(1, 2, 3, 4);
  expect(expected.map(() => generator.uint32())).toEqual(expected);
});

test("a seed gives its own sequence each time, and a near seed a far one", () => {
  const draw = (seed: number): number[] => {
    const generator = Xoshiro128.fromSeed(seed);
    return Array.from({ length: 50 }, () => generator.uint32());
  };
  expect(draw(1)).toEqual(draw(1));
  const all = [0, 1, 2, -1, 2 ** 32, 2 ** 40 + 1].flatMap(draw);
  expect(new Set(all).size).toBe(all.length);
});

test("the state of zeros, which never moves, is avoided", () => {
  const generator = new Xoshiro128(0, 0, 0, 0);
  expect(new Set(Array.from({ length: 20 }, () => generator.uint32())).size).toBeGreaterThan(10);
});
