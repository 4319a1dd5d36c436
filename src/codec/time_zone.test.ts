import { describe, expect, test } from "bun:test";
import { compileTimeFormat } from "./time_format.ts";
import type { TimeFormat } from "./time_format.ts";
import { isoTime } from "./time_text.ts";
import { timeZone } from "./time_zone.ts";

function utc(zone: string, local: string): string {
  return new Date(timeZone(zone)!.toUtcMs(Date.parse(`${local}Z`))).toISOString().slice(0, 16);
}

function format(written: string): TimeFormat {
  const compiled = compileTimeFormat(written);
  if (typeof compiled === "string") throw new Error(compiled);
  return compiled;
}

const NOW = Date.parse("2026-11-21T00:00:00Z");

describe("named zones", () => {
  test("summer and winter", () => {
    expect(utc("Europe/Berlin", "2026-07-01T12:00:00")).toBe("2026-07-01T10:00");
    expect(utc("Europe/Berlin", "2026-12-01T12:00:00")).toBe("2026-12-01T11:00");
    expect(utc("America/New_York", "2026-07-01T12:00:00")).toBe("2026-07-01T16:00");
    expect(utc("Asia/Kolkata", "2026-07-01T12:00:00")).toBe("2026-07-01T06:30");
    expect(utc("Pacific/Kiritimati", "2026-07-01T12:00:00")).toBe("2026-06-30T22:00");
    expect(utc("UTC", "2026-07-01T12:00:00")).toBe("2026-07-01T12:00");
  });

  test("daylight saving: a time that comes twice is the first of the two", () => {
    // Berlin sets its clocks back at 03:00, New York at 02:00, Lord Howe by half an hour only.
    expect(utc("Europe/Berlin", "2026-10-25T02:30:00")).toBe("2026-10-25T00:30");
    expect(utc("Europe/Berlin", "2026-10-25T01:59:00")).toBe("2026-10-24T23:59");
    expect(utc("Europe/Berlin", "2026-10-25T03:00:00")).toBe("2026-10-25T02:00");
    expect(utc("America/New_York", "2026-11-01T01:30:00")).toBe("2026-11-01T05:30");
    expect(utc("Australia/Lord_Howe", "2026-04-05T01:45:00")).toBe("2026-04-04T14:45");
  });

  test("daylight saving: a time that no clock shows is read by the offset before", () => {
    expect(utc("Europe/Berlin", "2026-03-29T02:30:00")).toBe("2026-03-29T01:30");
    expect(utc("Europe/Berlin", "2026-03-29T01:59:00")).toBe("2026-03-29T00:59");
    expect(utc("Europe/Berlin", "2026-03-29T03:00:00")).toBe("2026-03-29T01:00");
    expect(utc("America/New_York", "2026-03-08T02:30:00")).toBe("2026-03-08T07:30");
  });

  test("every quarter of an hour around a change comes back, or stands in the gap", () => {
    for (const [name, day] of [
      ["Europe/London", "2026-03-29"],
      ["Europe/London", "2026-10-25"],
      ["America/Sao_Paulo", "2018-11-04"],
      ["Australia/Lord_Howe", "2026-10-04"],
    ] as const) {
      const zone = timeZone(name)!;
      const show = new Intl.DateTimeFormat("sv-SE", {
        timeZone: name,
        dateStyle: "short",
        timeStyle: "short",
      });
      let gaps = 0;
      for (let minute = 0; minute < 24 * 60; minute += 15) {
        const localMs = Date.parse(`${day}T00:00:00Z`) + minute * 60_000;
        const shown = show.format(zone.toUtcMs(localMs));
        if (shown !== new Date(localMs).toISOString().slice(0, 16).replace("T", " ")) gaps += 1;
      }
      expect({ name, day, gaps: gaps <= 4 }).toEqual({ name, day, gaps: true });
    }
  });

  test("a name that is none", () => {
    expect(timeZone("Europe/Berlinn")).toBeNull();
    expect(timeZone("")).toBeNull();
  });
});

describe("formats", () => {
  test("letters, quoted text, halves of the day, fractions", () => {
    const cases = [
      ["dd/MMM/yyyy:HH:mm:ss Z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36.000Z"],
      [
        "yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        "2026-11-21T09:15:18.123456+01:00",
        "2026-11-21T08:15:18.123456Z",
      ],
      ["M/d/yy h:mm:ss a", "3/7/26 12:05:00 AM", "2026-03-07T00:05:00.000Z"],
      ["M/d/yy h:mm:ss a", "3/7/26 1:05:00 pm", "2026-03-07T13:05:00.000Z"],
      ["EEE MMM d HH:mm:ss yyyy", "Sat Nov  7 09:15:18 2026", "2026-11-07T09:15:18.000Z"],
      ["yyyy-MM-dd HH:mm VV", "2026-07-01 12:00 Europe/Berlin", "2026-07-01T10:00:00.000Z"],
      ["MMM d HH:mm:ss", "Dec 31 23:59:59", "2025-12-31T23:59:59.000Z"],
      ["MMM d HH:mm:ss", "Apr 1 00:00:00", "2026-04-01T00:00:00.000Z"],
      ["unix", "1795252518.25", "2026-11-21T09:15:18.250Z"],
      ["unixMs", "1795252518250", "2026-11-21T09:15:18.250Z"],
    ] as const;
    for (const [written, text, expected] of cases) {
      expect({ text, time: format(written).parse(text, NOW, null) }).toEqual({
        text,
        time: expected,
      });
    }
  });

  test("a time that is none", () => {
    for (const [written, text] of [
      ["yyyy-MM-dd", "2026-02-29"],
      ["yyyy-MM-dd", "2026-13-01"],
      ["yyyy-MM-dd HH:mm", "2026-01-01 24:00"],
      ["dd MMM yyyy", "01 Foo 2026"],
      ["h:mm a", "13:00 pm"],
      ["yyyy VV", "2026 Nowhere/Land"],
      ["yyyy", "2026 "],
    ] as const) {
      expect({ text, time: format(written).parse(text, NOW, null) }).toEqual({ text, time: null });
    }
    expect(compileTimeFormat("yyyy qq")).toContain('"q" is no letter');
    expect(compileTimeFormat("--")).toContain("names no part");
    expect(compileTimeFormat("yyyy 'x")).toContain("does not end");
  });

  test("times that say no zone, where a zone is given", () => {
    const zone = timeZone("Europe/Berlin")!;
    expect(isoTime("2026-07-01 12:00:00,5", zone)).toBe("2026-07-01T10:00:00.500Z");
    expect(isoTime("2026-07-01T12:00:00Z", zone)).toBe("2026-07-01T12:00:00.000Z");
    expect(isoTime("06/Feb/2009:12:14:14.655", zone)).toBe("2009-02-06T11:14:14.655Z");
    expect(isoTime("06/Feb/2009:12:14:14.655")).toBe("2009-02-06T12:14:14.655Z");
  });
});
