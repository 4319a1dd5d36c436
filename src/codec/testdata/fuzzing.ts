import { Xoshiro128 } from "../../base/xoshiro.ts";

/** What fuzz targets share. Tests only. */

/** An integer from 0 up to, not including, the limit. */
export type Below = (limit: number) => number;

/** The same seed makes the same numbers. */
export function chance(seed: number): Below {
  const random = Xoshiro128.fromSeed(seed);
  return (limit) => Math.floor(random.next() * limit);
}

/** `once` with one seed after the other until the clock passes `deadlineMs`, once at least. */
export async function fuzzUntil(
  seed: number,
  deadlineMs: number,
  once: (seed: number) => void | Promise<void>,
): Promise<{ runs: number }> {
  let runs = 0;
  do {
    await once(seed + runs);
    runs++;
  } while (Date.now() < deadlineMs);
  return { runs };
}

/** The input in pieces of 1 to `most` bytes. */
export function inPieces(input: Uint8Array, below: Below, most: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < input.length; ) {
    const end = Math.min(input.length, at + 1 + below(most));
    pieces.push(input.subarray(at, end));
    at = end;
  }
  return pieces;
}

export function oneOf<Value>(from: readonly Value[], below: Below): Value {
  return from[below(from.length)]!;
}

/** The text with a piece cut out, doubled, put in or replaced, or with the end of another. */
export function mutated(
  text: string,
  below: Below,
  special: readonly string[],
  others: readonly string[],
): string {
  const at = below(text.length + 1);
  const end = Math.min(text.length, at + 1 + below(8));
  switch (below(5)) {
    case 0:
      return text.slice(0, at) + oneOf(special, below) + text.slice(at);
    case 1:
      return text.slice(0, at) + oneOf(special, below) + text.slice(end);
    case 2:
      return text.slice(0, at) + text.slice(end);
    case 3:
      return text.slice(0, end) + text.slice(at);
    default: {
      const other = oneOf(others, below);
      return text.slice(0, at) + other.slice(below(other.length));
    }
  }
}

/** One to six changes of one of the texts. */
export function garbled(texts: readonly string[], below: Below, special: readonly string[]): string {
  let text = oneOf(texts, below);
  for (let changes = below(6); changes >= 0; changes--) text = mutated(text, below, special, texts);
  return text;
}
