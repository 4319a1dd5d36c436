import { readFileSync } from "node:fs";
import { type Below, chance, fuzzUntil, inPieces } from "../testdata/fuzzing.ts";
import { NOW_MS, readFixtures, replayStream } from "./fixtures/read.ts";
import { parseSyslog } from "./parse_syslog.ts";

/**
 * Fixtures, mutated. Whatever comes out: nothing throws, the pieces in which a stream arrives
 * change nothing, no message is longer than the bound, and a message's text is none that we made.
 */

const INPUTS = ["rfc5424.md", "rfc3164.md", "streams.md"].flatMap((name) =>
  readFixtures(readFileSync(`${import.meta.dir}/fixtures/${name}`, "utf8")).map(
    ({ input }) => input,
  ),
);

/** What parsers stumble over. */
const SPECIAL = [
  ...'<>[]"\\=: -0159\n\0\xff\x80\xc3',
  "<13>",
  "<191>1 ",
  "10 <13>",
  "99999999999 ",
  "Feb 29 12:00:00 ",
  '[a b="',
  '"]',
  "\xef\xbb\xbf",
  "2024-02-29T23:59:60Z ",
];
const FRAMINGS = ["auto", "octet-counting", "newline"] as const;
const FORMATS = ["auto", "rfc5424", "rfc3164"] as const;

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with seed and input. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, fuzzOnce);
}

/** One mutated input; the same seed makes the same one. */
export function fuzzOnce(seed: number): void {
  const below = chance(seed);
  const input = mutated(below);
  const fail = (why: string): never => {
    throw new Error(`seed ${seed}: ${why}: ${JSON.stringify(input.toString("latin1"))}`);
  };
  for (const format of FORMATS) {
    const found = parseSyslog(input, { format, nowMs: NOW_MS });
    if (typeof found === "string") continue;
    if (!input.toString("utf8").includes(found.message)) fail("a message that was not sent");
    if (found.severity !== null && !(found.severity >= 0 && found.severity <= 7)) fail("severity");
    if (found.time !== null && Number.isNaN(Date.parse(found.time))) fail("a time that is none");
  }
  const maxMessageBytes = 4 + below(40);
  const frames = { framing: FRAMINGS[below(3)]!, maxMessageBytes };
  const whole = replayStream({ frames }, [input]);
  const split = replayStream({ frames }, inPieces(input, below, 9));
  if (whole.join("\n") !== split.join("\n")) {
    fail(`${JSON.stringify(frames)}: whole ${whole.join(" ")}, in pieces ${split.join(" ")}`);
  }
}

function mutated(below: Below): Buffer {
  let bytes = Buffer.from(INPUTS[below(INPUTS.length)]!);
  for (let times = below(6); times >= 0; times--) {
    const at = below(bytes.length + 1);
    const special = Buffer.from(SPECIAL[below(SPECIAL.length)]!, "latin1");
    const other = INPUTS[below(INPUTS.length)]!;
    const piece = below(4) === 0 ? other.subarray(below(other.length)) : special;
    const rest = bytes.subarray(Math.min(bytes.length, at + below(4)));
    bytes = Buffer.concat([bytes.subarray(0, at), piece, rest]);
  }
  return bytes.subarray(0, 2000);
}
