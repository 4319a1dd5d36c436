import { expect, test } from "bun:test";
import { fuzzOnce as bodies } from "./bodies.fuzz.ts";
import { chance, fuzzUntil, garbled, inPieces } from "./testdata/fuzzing.ts";
import { fuzzOnce as lines } from "./lines.fuzz.ts";
import { fuzzOnce as traces } from "./trace_context.fuzz.ts";

test.each(Object.entries({ bodies, lines, traces }))("mutated %s", (_, once) => {
  for (let seed = 1; seed <= 500; seed++) once(seed);
});

test("the same seed makes the same input, another one another", () => {
  const made = (seed: number): string => garbled(["abc", "def"], chance(seed), ["\0", "\r\n"]);
  expect(made(7)).toBe(made(7));
  expect(new Set(Array.from({ length: 50 }, (_, seed) => made(seed))).size).toBeGreaterThan(20);
});

test("pieces are the input, and none is empty or too long", () => {
  const input = Uint8Array.from({ length: 500 }, (_, at) => at & 255);
  const pieces = inPieces(input, chance(3), 9);
  expect(Buffer.concat(pieces)).toEqual(Buffer.from(input));
  expect(pieces.every(({ length }) => length >= 1 && length <= 9)).toBe(true);
});

test("a target runs once at least, with one seed after the other, and fails as it fails", async () => {
  const seen: number[] = [];
  expect(await fuzzUntil(5, 0, (seed) => void seen.push(seed))).toEqual({ runs: 1 });
  expect(seen).toEqual([5]);
  const fails = fuzzUntil(5, Infinity, (seed) => {
    if (seed === 8) throw new Error(`seed ${seed}`);
  });
  expect(fails).rejects.toThrow("seed 8");
});
