import { chance, fuzzUntil, inPieces } from "./testdata/fuzzing.ts";
import { encodeValue, RespDecoder, type RespLimits, type RespValue } from "./resp.ts";

/**
 * Answers, broken in many ways. Whatever comes: nothing throws, the pieces in which it arrives
 * change nothing, no more than the limits is kept, and what we write of it reads the same.
 */

const LIMITS: RespLimits = { maxDepth: 5, maxItems: 50, maxBytes: 4_096 };

const WORDS = [
  ..."+-:$*_#,(!=%~>|\r\n0123456789tf?x\0\xff",
  ...["\r\n", "-1", "+OK\r\n", "$3\r\nabc\r\n", "*2\r\n", ":1\r\n", "%1\r\n", "|1\r\n", "_\r\n"],
  ...["=7\r\ntxt:abc\r\n", "!3\r\nERR\r\n", ",inf\r\n", "~1\r\n", ">1\r\n", "#t\r\n", "(12\r\n"],
  ...["$4096\r\n", "*4096\r\n", "$99999999999\r\n", ":9223372036854775807\r\n", "$?\r\n"],
];

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with seed and input. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, fuzzOnce);
}

/** One input; the same seed makes the same one. */
export function fuzzOnce(seed: number): void {
  const below = chance(seed);
  let text = "";
  for (let words = 1 + below(30); words > 0; words--) text += WORDS[below(WORDS.length)]!;
  const input = Uint8Array.from(text, (char) => char.charCodeAt(0));
  try {
    const whole = summary([input]);
    for (let run = 0; run < 3; run++) {
      const found = summary(inPieces(input, below, run === 0 ? 1 : 6));
      if (found !== whole) throw new Error(`in pieces:\n${found}\nwhole:\n${whole}`);
    }
  } catch (error) {
    throw new Error(`seed ${seed}: ${JSON.stringify(text)}`, { cause: error });
  }
}

function summary(pieces: readonly Uint8Array[]): string {
  const seen: string[] = [];
  const onValue = (value: RespValue): void => {
    checkBounds(value);
    const again: string[] = [];
    const decoder = new RespDecoder(LIMITS, { onValue: (one) => again.push(textOf(one)) });
    // A length may be written shorter than it came, never longer: it fits the limits again.
    const problem = decoder.feed(encodeValue(value));
    if (problem !== null || again.length !== 1 || again[0] !== textOf(value)) {
      throw new Error(`${textOf(value)} is read again as ${again.join(" ")} ${problem?.message}`);
    }
    seen.push(textOf(value));
  };
  const decoder = new RespDecoder(LIMITS, { onValue });
  let problem = null;
  for (const piece of pieces) problem = decoder.feed(piece);
  return `${seen.join("\n")}\n${JSON.stringify(problem)} ${decoder.isBetweenValues}`;
}

function checkBounds(value: RespValue, depth = 0): number {
  if (depth > LIMITS.maxDepth) throw new Error("deeper than the limit");
  if (!("items" in value)) return 1;
  const items = value.items.reduce((sum, item) => sum + checkBounds(item, depth + 1), 0);
  if (items > LIMITS.maxItems) throw new Error("more items than the limit");
  return items;
}

function textOf(value: RespValue): string {
  return JSON.stringify(value, (_key, one: unknown) => {
    if (typeof one === "bigint") return `${one}n`;
    return typeof one === "number" && !Number.isFinite(one) ? String(one) : one;
  });
}
