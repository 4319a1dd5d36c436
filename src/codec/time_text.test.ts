import { expect, test } from "bun:test";
import fc from "fast-check";
import { isoTime } from "./time_text.ts";

test("S2-17 times as logs write them, in one form", () => {
  const cases: [unknown, string][] = [
    ["2026-11-21T09:15:18Z", "2026-11-21T09:15:18.000Z"],
    ["2026-11-21 09:15:18", "2026-11-21T09:15:18.000Z"],
    ["2026-11-21 09:15:18,25", "2026-11-21T09:15:18.250Z"],
    ["2026/11/21 09:15:18.123456", "2026-11-21T09:15:18.123456Z"],
    ["2026-11-21T09:15:18.5+05:30", "2026-11-21T03:45:18.500Z"],
    ["2026-11-21T23:15:18-0800", "2026-11-22T07:15:18.000Z"],
    ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"],
    ["10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36.000Z"],
    [1795252518, "2026-11-21T09:15:18.000Z"],
    [1795252518250, "2026-11-21T09:15:18.250Z"],
    ["1795252518.25", "2026-11-21T09:15:18.250Z"],
  ];
  for (const [value, iso] of cases) expect({ value, iso: isoTime(value) }).toEqual({ value, iso });
});

test("what is no time is null", () => {
  const wrong = ["", "soon", "2026-13-01 00:00:00", "2026-02-29 00:00:00", "2026-11-21 24:00:00"];
  const odd = ["2026-11/21 09:15:18", 12, NaN, null, true, {}, "x".repeat(1000)];
  for (const value of [...wrong, ...odd]) {
    expect({ value, iso: isoTime(value) }).toEqual({ value, iso: null });
  }
});

test("what it returns, it returns again; and it agrees with Date", () => {
  const ms = fc.integer({ min: -2e13, max: 2e14 });
  fc.assert(
    fc.property(ms, fc.integer({ min: -14 * 60, max: 14 * 60 }), (at, zone) => {
      const iso = new Date(at).toISOString();
      if (!/^[1-9]\d{3}-/.test(iso)) return;
      expect(isoTime(iso)).toBe(iso);
      const local = new Date(at + zone * 60_000).toISOString().slice(0, -1);
      if (!/^[1-9]\d{3}-/.test(local)) return;
      const two = (n: number): string => String(Math.trunc(Math.abs(n))).padStart(2, "0");
      const sign = zone < 0 ? "-" : "+";
      expect(isoTime(`${local}${sign}${two(zone / 60)}:${two(zone % 60)}`)).toBe(iso);
    }),
  );
});
