import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Event } from "../../api/event.ts";
import type { Fields } from "../../api/event.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { parse as parseConfig } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { EventBatch } from "../event_batch.ts";
import { stepContext } from "../testdata/harness.ts";
import { compileSearchRegex } from "../../base/search_regex.ts";
import { expandGrok } from "../parsers/grok.ts";
import { GROK_PATTERNS } from "../parsers/grok_patterns.ts";
import { grokProblem } from "../parsers/line_parser.ts";
import { parse } from "./parse.ts";

const world = createSimulatedWorld({ seed: 1 });

function problems(config: unknown): string[] {
  return parseConfig(parse.config, nodeOf(config)).problems.map(({ message }) => message);
}

/** What the step makes of the lines, or the reason why not. */
function apply(config: unknown, lines: readonly string[], before?: Fields): (Fields | string)[] {
  const read = parseConfig(parse.config, nodeOf(config));
  expect(read.problems).toEqual([]);
  return lines.map((line) => {
    let failure: string | null = null;
    const step = parse.create(read.value!, {
      ...stepContext(world),
      failed: (_, reason) => {
        failure = reason;
        return false;
      },
    });
    const chunk = Buffer.from(line);
    const batch = new EventBatch("in", "s", "", chunk, 0, 0, () => {});
    const event = new Event(batch, 0, chunk.length);
    if (before !== undefined) event.fields = { ...before };
    const kept = step.apply([event]);
    return failure ?? kept[0]!.fields!;
  });
}

describe("config", () => {
  test("exactly one format", () => {
    expect(problems({})[0]).toContain("no format is given, expected one of regex, grok, json");
    expect(problems({ json: {}, clf: {} })[0]).toContain("more than one");
    expect(problems({ regex: "(?<a>x)" })).toEqual([]);
  });

  test("a regular expression that is none, or names nothing", () => {
    expect(problems({ regex: "(?<a>" }).length).toBe(1);
    expect(problems({ regex: "^(\\w+)$" }).length).toBe(1);
    expect(problems({ regex: "(?<a>x)(?=y)" }).length).toBe(1);
  });

  test("grok: what is wrong is said where it stands", () => {
    expect(problems({ grok: "%{WORT:x}" })[0]).toContain("%{WORT} is no known pattern");
    expect(problems({ grok: "no field %{WORD}" })[0]).toContain("it names no field");
    expect(problems({ grok: "%{A:x}", patterns: { A: "%{B}", B: "%{A}" } })[0]).toContain("circle");
    expect(problems({ grok: "%{WORD:a b}" })[0]).toContain("%{NAME}, %{NAME:field}");
    expect(problems({ grok: ["%{WORD:a}", "%{INT:b:int}"] })).toEqual([]);
  });

  test("times: formats and zones that are none", () => {
    expect(problems({ json: {}, time: { zone: "Europe/Berlinn" } }).length).toBe(1);
    expect(problems({ json: {}, time: { formats: ["qq"] } }).length).toBe(1);
    expect(problems({ time: { field: "at" } })).toEqual([]);
  });
});

describe("formats", () => {
  test("levels in lower case, with one word for each", () => {
    const levels = ["WARNING", " Error ", "ERR", "Information", 30, "NOTICE", "constructor"];
    const lines = levels.map((level) => JSON.stringify({ level }));
    expect(apply({ json: {} }, lines).map((fields) => (fields as Fields)["level"])).toEqual([
      "warn",
      "error",
      "error",
      "info",
      "info",
      "notice",
      "constructor",
    ]);
  });

  test("a time or level that cannot be read stays as it is", () => {
    const line = '{"time":"soon","level":{"a":1},"timestamp":"2026-11-21T00:00:00Z"}';
    expect(apply({ json: {} }, [line])).toEqual([JSON.parse(line)]);
  });

  test("what is no JSON object", () => {
    expect(apply({ json: {} }, ["[1]", "1", "null"])).toEqual(Array(3).fill("not-an-object"));
    expect(apply({ json: {} }, ["{", ""])).toEqual(["not-json", "not-json"]);
  });

  test("groups that took no part are left out", () => {
    const regex = "^(?<word>[a-z]+)|(?<number>\\d+)$";
    expect(apply({ regex }, ["12", "ab"])).toEqual([{ number: "12" }, { word: "ab" }]);
  });

  test("a line above maxBytes is not parsed", () => {
    const config = { regex: "^(?<all>.*)$", maxBytes: "64B" };
    const whole = "x".repeat(64);
    expect(apply(config, [whole, `${whole}x`])).toEqual([{ all: whole }, "too-long"]);
  });

  test("a second parse works on the message and keeps the other fields", () => {
    const before = { message: "a=1", app: "api" };
    expect(apply({ regex: "^a=(?<a>\\d)$" }, [""], before)).toEqual([{ app: "api", a: "1" }]);
    expect(apply({ json: {} }, [""], { app: "api" })).toEqual(["no-message"]);
  });

  test("any JSON object comes through with its members", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const plain = JSON.parse(JSON.stringify(object)) as Fields;
        for (const name of ["time", "level", "timestamp", "@timestamp", "ts"]) delete plain[name];
        for (const name of ["severity", "lvl", "loglevel"]) delete plain[name];
        const line = JSON.stringify(plain);
        expect(JSON.stringify(apply({ json: {} }, [line])[0])).toBe(line);
      }),
    );
  });

  test("no line breaks any format", () => {
    const regex = "^(?<a>\\S+) (?<time>.+)$";
    const configs = [
      ...["json", "logfmt", "clf", "combined", "haproxy", "cef", "nginx", "syslog"],
    ].map((format): object => ({ [format]: {} }));
    configs.push({ regex }, { nginx: { log: "error" } }, { csv: { columns: ["a", "b"] } });
    configs.push({ keyValue: {} }, { grok: "%{COMBINEDAPACHELOG}" });
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (line) => {
        for (const config of configs) expect(apply(config, [line]).length).toBe(1);
      }),
    );
  });

  test("every pattern of grok compiles, and whole lines of them run on the fast engine", () => {
    for (const name of Object.keys(GROK_PATTERNS)) {
      expect({ name, problem: grokProblem(`%{${name}:x}`, {}) }).toEqual({ name, problem: null });
    }
    for (const pattern of [
      "^%{COMBINEDAPACHELOG}$",
      "^%{TIMESTAMP_ISO8601:t} %{LOGLEVEL:l} %{GREEDYDATA:m}",
    ]) {
      const grok = expandGrok(pattern, {});
      const regex = typeof grok === "string" ? grok : compileSearchRegex(grok.regex);
      expect({ pattern, regex }).toMatchObject({ pattern, regex: { engine: "native" } });
    }
  });

  test("grok on the lines that its names are for", () => {
    const read = (grok: string, line: string): unknown => apply({ grok }, [line])[0];
    const line =
      '127.0.0.1 - ann [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326 "-" "curl"';
    expect(read("%{COMBINEDAPACHELOG}", line)).toEqual({
      clientip: "127.0.0.1",
      ident: "-",
      auth: "ann",
      time: "2000-10-10T20:55:36.000Z",
      verb: "GET",
      request: "/a",
      httpversion: "1.0",
      response: "200",
      bytes: "2326",
      referrer: "-",
      agent: "curl",
    });
    expect(read("%{SYSLOGLINE}", "Oct 11 22:14:15 my-host su[12]: it failed")).toMatchObject({
      logsource: "my-host",
      program: "su",
      pid: "12",
      message: "it failed",
    });
    for (const [name, text] of [
      ["IP", "10.1.2.3"],
      ["IP", "2001:db8::1"],
      ["EMAILADDRESS", "ann@shop.example"],
      ["URI", "https://ann@shop.example:8443/a/b?c=d"],
      ["UUID", "0c2f9a52-7c3f-4f6c-9a8e-0a4f4a1b2c3d"],
      ["QUOTEDSTRING", '"a \\"b\\" c"'],
      ["WINPATH", "C:\\logs\\a.txt"],
      ["HTTPDATE", "10/Oct/2000:13:55:36 -0700"],
      ["MAC", "00:0a:95:9d:68:16"],
      ["LOGLEVEL", "Warning"],
      ["NUMBER", "-12.5"],
    ]) {
      expect({ name, read: read(`^%{${name}:x}$`, text!) }).toEqual({ name, read: { x: text! } });
    }
  });

  test("a time is read by its formats, in its zone; one that cannot be read stays", () => {
    const time = { field: "at", formats: ["dd.MM.yyyy HH:mm:ss", "unix"], zone: "Europe/Berlin" };
    const lines = ['{"at":"21.11.2026 10:15:18"}', '{"at":1795252518}', '{"at":"soon"}'];
    expect(apply({ json: {}, time }, lines)).toEqual([
      { time: "2026-11-21T09:15:18.000Z" },
      { time: "2026-11-21T09:15:18.000Z" },
      { at: "soon" },
    ]);
    expect(apply({ time }, [""], { at: "soon" })).toEqual(["no-time"]);
    expect(apply({ time }, [""], { at: "21.06.2026 10:15:18" })).toEqual([
      { time: "2026-06-21T08:15:18.000Z" },
    ]);
  });
});
