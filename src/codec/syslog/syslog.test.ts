import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { Xoshiro128 } from "../../base/xoshiro.ts";
import {
  NOW_MS,
  readFixtures,
  replayMessage,
  replayStream,
  rewriteExpected,
} from "./fixtures/read.ts";
import type { SyslogFixture } from "./fixtures/read.ts";
import { facilityName, levelName, syslogFields } from "./message.ts";
import { parseSyslog } from "./parse_syslog.ts";
import { fuzzOnce } from "./syslog.fuzz.ts";

/** UPDATE_FIXTURES=1 writes what is read today into the files: review the difference. */
function fixturesOf(name: string, run: (one: SyslogFixture) => string[]): SyslogFixture[] {
  const path = `${import.meta.dir}/fixtures/${name}`;
  if (process.env["UPDATE_FIXTURES"] === "1") {
    writeFileSync(path, rewriteExpected(readFileSync(path, "utf8"), run));
  }
  return readFixtures(readFileSync(path, "utf8"));
}

for (const name of ["rfc5424.md", "rfc3164.md"]) {
  describe(name, () => {
    for (const fixture of fixturesOf(name, replayMessage)) {
      test(fixture.title, () => {
        expect(replayMessage(fixture)).toEqual([...fixture.expected]);
      });
    }
  });
}

describe("streams.md", () => {
  const whole = (fixture: SyslogFixture): string[] => replayStream(fixture, [fixture.input]);
  for (const fixture of fixturesOf("streams.md", whole)) {
    test(`${fixture.title}, split at every byte`, () => {
      const { input, expected } = fixture;
      expect(whole(fixture)).toEqual([...expected]);
      for (let at = 1; at < input.length; at++) {
        const pieces = [input.subarray(0, at), input.subarray(at)];
        expect({ at, found: replayStream(fixture, pieces) }).toEqual({ at, found: [...expected] });
      }
      const bytes = Array.from(input, (byte) => Uint8Array.of(byte));
      expect(replayStream(fixture, bytes)).toEqual([...expected]);
    });
  }
});

describe("properties", () => {
  const random = Xoshiro128.fromSeed(5424);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const letters = 'abcXYZ019 -_."\\]=[é四\n:';
  const word = (from: string, most: number): string =>
    Array.from({ length: 1 + below(most) }, () => from[below(from.length)]!).join("");
  const plain = "abcXYZ019-_.";

  test("what is written by RFC 5424 is read as it was meant", () => {
    for (let run = 0; run < 500; run++) {
      const [facility, severity] = [below(24), below(8)];
      const data: Record<string, Record<string, string>> = {};
      for (let n = below(3); n > 0; n--) {
        const parameters: Record<string, string> = {};
        for (let m = below(4); m > 0; m--) parameters[word(plain, 8)] = word(letters, 12);
        data[`${word(plain, 8)}@1`] = parameters;
      }
      const message = word(letters.replace("\n", ""), 30);
      const elements = Object.entries(data).map(([id, parameters]) => {
        const pairs = Object.entries(parameters).map(
          ([name, value]) => ` ${name}="${value.replace(/["\\\]]/g, "\\$&")}"`,
        );
        return `[${id}${pairs.join("")}]`;
      });
      const app = `a${word(plain, 8)}`;
      const head = `<${facility * 8 + severity}>1 2024-02-03T04:05:06.789Z host ${app} 7 id`;
      const line = `${head} ${elements.join("") || "-"} \ufeff${message}`;
      expect(parseSyslog(line, { format: "auto", nowMs: NOW_MS })).toEqual({
        format: "rfc5424",
        facility,
        severity,
        time: "2024-02-03T04:05:06.789Z",
        host: "host",
        app,
        processId: "7",
        messageId: "id",
        data: elements.length === 0 ? null : data,
        message,
      });
    }
  });

  test("any moment of a year comes back out of RFC 3164, in its zone", () => {
    const months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const zoneMs = 2 * 3_600_000;
    for (let run = 0; run < 500; run++) {
      const ms = NOW_MS - below(358 * 86_400) * 1000;
      const local = new Date(ms + zoneMs);
      const at = local.getUTCMonth() * 3;
      const day = String(local.getUTCDate()).padStart(2, " ");
      const stamp = `${months.slice(at, at + 3)} ${day} ${local.toISOString().slice(11, 19)}`;
      const options = { format: "auto", nowMs: NOW_MS, toUtcMs: (x: number) => x - zoneMs } as const;
      const found = parseSyslog(`<13>${stamp} host app: m`, options);
      expect(found).toMatchObject({ time: new Date(ms).toISOString(), host: "host", app: "app" });
    }
  });

  test("no input throws, and no split changes what is read", () => {
    for (let seed = 1; seed <= 300; seed++) fuzzOnce(seed);
  });
});

test("fields have the names that other steps use", () => {
  const line = "<27>Feb 11 22:14:15 h app[7]: m";
  const parsed = parseSyslog(line, { format: "auto", nowMs: NOW_MS });
  if (typeof parsed === "string") throw new Error(parsed);
  expect(syslogFields(parsed)).toEqual({
    time: "2024-02-11T22:14:15.000Z",
    level: "error",
    facility: "daemon",
    host: "h",
    app: "app",
    process_id: "7",
    message: "m",
  });
  expect([facilityName(null), facilityName(23), levelName(null), levelName(7)]).toEqual([
    null,
    "local7",
    null,
    "debug",
  ]);
});
