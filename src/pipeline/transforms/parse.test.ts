import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Event } from "../../api/event.ts";
import type { Fields } from "../../api/event.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { parse as parseConfig } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { EventBatch } from "../event_batch.ts";
import { stepContext } from "../testdata/harness.ts";
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
    expect(problems({})[0]).toContain("expected one of regex, json, clf, combined");
    expect(problems({ json: {}, clf: {} })[0]).toContain("more than one");
    expect(problems({ regex: "(?<a>x)" })).toEqual([]);
  });

  test("a regular expression that is none, or names nothing", () => {
    expect(problems({ regex: "(?<a>" }).length).toBe(1);
    expect(problems({ regex: "^(\\w+)$" }).length).toBe(1);
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
    const configs = [{ json: {} }, { clf: {} }, { combined: {} }, { regex }];
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (line) => {
        for (const config of configs) expect(apply(config, [line]).length).toBe(1);
      }),
    );
  });
});
