import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Xoshiro128 } from "../../base/xoshiro.ts";
import { type Fixture, readFixtures, replay, rewriteEvents } from "./fixtures/replay.ts";

/** UPDATE_FIXTURES=1 writes what the decoder tells today into the files: review the difference. */
const FOLDER = `${import.meta.dir}/fixtures`;
const RANDOM_SPLITS = 20;

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".md"))) {
  const path = `${FOLDER}/${file}`;
  if (process.env["UPDATE_FIXTURES"] === "1") {
    writeFileSync(path, rewriteEvents(readFileSync(path, "utf8")));
  }
  describe(file, () => {
    for (const fixture of readFixtures(readFileSync(path, "utf8"))) {
      test(fixture.title, () => {
        const expected = [...fixture.events];
        const { input } = fixture;
        expect(replay(fixture, [input])).toEqual(expected);
        everySplit(fixture, expected);
        everyEnd(fixture, expected);
      });
    }
  });
}

function everySplit(fixture: Fixture, expected: readonly string[]): void {
  const { input } = fixture;
  const wanted = expected.join("\n");
  const check = (how: string, pieces: Uint8Array[]): void => {
    for (const owner of [{}, { hold: true }, { hold: true, endWhileHeld: true }]) {
      const found = replay(fixture, pieces, owner).join("\n");
      if (found !== wanted) expect(`${how} ${JSON.stringify(owner)}\n${found}`).toBe(wanted);
    }
  };
  check("whole", [input]);
  for (let at = 1; at < input.length; at++) {
    check(`split at ${at}`, [input.subarray(0, at), input.subarray(at)]);
  }
  check("byte by byte", Array.from(input, (byte) => Uint8Array.of(byte)));
  const random = Xoshiro128.fromSeed(input.length);
  for (let run = 0; run < RANDOM_SPLITS; run++) check(`random ${run}`, randomPieces(input, random));
}

function randomPieces(input: Uint8Array, random: Xoshiro128): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < input.length; ) {
    const end = Math.min(input.length, at + 1 + Math.floor(random.next() * 40));
    pieces.push(input.subarray(at, end));
    at = end;
  }
  return pieces;
}

/** Closed at any byte, a message tells the start of what it tells whole, and never a false end. */
function everyEnd(fixture: Fixture, expected: readonly string[]): void {
  if (fixture.raw || expected.some((event) => event.includes("until-close"))) return;
  const truncated = fixture.side === "request" ? "error truncated 400" : "error truncated";
  for (let at = 0; at < fixture.input.length; at++) {
    const events = replay(fixture, [fixture.input.subarray(0, at)]);
    const last = events.pop()!;
    const isBoundary = events.length === 0 || events.at(-1) === "end";
    expect([isBoundary ? "closed" : "", truncated, expected.at(-1)!]).toContain(last);
    const body = events.at(-1)?.startsWith("body ") === true ? events.pop()!.slice(0, -1) : "";
    expect(events).toEqual(expected.slice(0, events.length));
    expect(expected[events.length]!.startsWith(body)).toBe(true);
  }
}
