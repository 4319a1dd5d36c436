import { describe, expect, test } from "bun:test";
import type { AnyField, Infer, Json } from "./field.ts";
import {
  boolean,
  choice,
  cpu,
  duration,
  integer,
  list,
  map,
  number,
  object,
  oneOf,
  parse,
  percent,
  port,
  size,
  text,
  toJsonSchema,
} from "./field.ts";
import { nodeOf } from "./node.ts";
import { formatProblem } from "./problem.ts";

function read(field: AnyField, written: unknown): unknown {
  const { value, problems } = parse(field, nodeOf(written));
  expect(problems.map(formatProblem)).toEqual([]);
  return value;
}

/** Messages with their advice, without the place. */
function wrong(field: AnyField, written: unknown): string[] {
  const { value, problems } = parse(field, nodeOf(written), { file: "f" });
  expect(value).toBeUndefined();
  expect(problems.length).toBeGreaterThan(0);
  return problems.map((problem) => formatProblem(problem).replace("f:1:1: ", ""));
}

describe("each builder reads what is right", () => {
  const cases: [name: string, field: AnyField, written: Json, value: unknown][] = [
    ["text", text(), "a", "a"],
    ["empty text", text({ minLength: 0 }), "", ""],
    ["scalars as text", list(text({ scalars: true })), [1, true, "x"], ["1", "true", "x"]],
    ["integer", integer(), -3, -3],
    ["number", number({ min: 0, max: 1 }), 0.5, 0.5],
    ["port", port(), 65535, 65535],
    ["boolean", boolean(), false, false],
    ["duration", duration(), "1m30s", 90_000],
    ["no duration", duration(), 0, 0],
    ["percent", percent(), "99.9%", 0.999],
    ["size", size(), "64KB", 64_000],
    ["cpu", list(cpu()), ["250m", 0.5, 2], [250, 500, 2000]],
    ["choice", choice(["a", "b"]), "b", "b"],
    ["list", list(integer(), { min: 1, max: 2 }), [1, 2], [1, 2]],
    ["map", map(integer()), { a: 1, __proto__x: 2 }, { a: 1, __proto__x: 2 }],
    [
      "object",
      object({ a: text(), b: integer().default(2), c: text().optional() }),
      { a: "x" },
      {
        a: "x",
        b: 2,
      },
    ],
    ["one of", list(oneOf(integer(), text(), list(text()))), [1, "a", ["b"]], [1, "a", ["b"]]],
    ["another shape", integer().as((n) => ({ n })), 1, { n: 1 }],
  ];
  test.each(cases)("%s", (_name, field, written, value) => {
    expect(read(field, written)).toEqual(value);
  });
});

describe("each builder says what was found, what is right and what to do", () => {
  const cases: [name: string, field: AnyField, written: unknown, message: string][] = [
    ["text", text(), 5, 'the document: found 5, expected a text; write "5"'],
    ["empty", text(), "", 'the document: found "", expected a text, not empty'],
    ["long", text({ maxLength: 2 }), "abc", "expected a text of at most 2 characters; it has 3"],
    ["pattern", text({ pattern: /^a/, expected: "an a" }), "b", 'found "b", expected an a'],
    ["check", text({ check: () => "no" }), "b", 'found "b", expected a text; no'],
    ["integer", integer({ min: 1 }), 1.5, "found 1.5, expected a whole number of at least 1"],
    ["huge", integer(), 1e300, "expected a whole number"],
    ["not a number", number(), Number.NaN, "found NaN, expected a number"],
    ["quoted", integer(), "5", 'found "5", expected a whole number; write 5 without quotes'],
    ["range", integer({ max: 3 }), 4, "found 4, expected a whole number of at most 3"],
    ["port", port(), 0, "found 0, expected a port from 1 to 65535"],
    ["boolean", boolean(), "on", 'found "on", expected true or false; write true'],
    ["duration", duration(), 2, "add the unit, for example 2s or 2ms"],
    ["duration range", duration({ min: "1s" }), "1ms", '"30d", from 1s to 3650d'],
    ["percent", percent(), 0.25, "write 25%"],
    ["percent range", percent(), "101%", "from 0% to 100%"],
    ["size", size(), 64, "add the unit, for example 64Ki or 64Mi"],
    ["cpu", cpu(), -1, "write thousandths, for example 250m"],
    ["choice", choice(["json", "off"]), "jsno", 'expected "json" or "off"; did you mean "json"?'],
    ["later choice", choice(["a"], { later: { b: "b is missing" } }), "b", "does not work yet"],
    ["list", list(text()), "a", "expected a list, each item a text; write [a]"],
    ["short list", list(text(), { min: 1 }), [], "found an empty list, expected at least 1 item"],
    [
      "long list",
      list(text(), { max: 1 }),
      ["a", "b"],
      "found a list of 2, expected at most 1 item",
    ],
    ["twice", list(text(), { unique: true }), ["a", "a"], '[1]: "a" stands there twice'],
    ["key", map(text(), { key: /^a$/, keyExpected: "an a" }), { b: "x" }, "expected an a"],
    ["large map", map(text(), { max: 1 }), { a: "x", b: "y" }, "expected at most 1 entries"],
    ["missing", object({ a: text().example("x") }), {}, 'has no "a", which it needs; add a: x'],
    ["unknown", object({ port: port() }), { prot: 1, port: 1 }, 'did you mean "port"?'],
    ["nothing", object({ a: text().optional() }), null, "found nothing, expected an object with a"],
    ["one of", oneOf(integer(), text()), [], "expected a whole number, or a text"],
    ["later", object({ a: text().later("a is missing") }), { a: "x" }, "a has no effect yet"],
    [
      "protective",
      object({ a: text().later("a is missing", "stop anyone") }),
      { a: "x" },
      "a is not enforced yet: a is missing, so nothing would stop anyone; remove it, or wait",
    ],
  ];
  test.each(cases)("%s", (_name, field, written, message) => {
    expect(wrong(field, written).join("\n")).toContain(message);
  });
});

test("all problems come at once, each with its path", () => {
  const field = object({ a: integer(), b: list(object({ c: text() })), d: map(percent()) });
  const written = { a: "x", b: [{}, { c: 1, e: 2 }], d: { one: 1, two: "2%" }, f: 0 };
  const { problems } = parse(field, nodeOf(written));
  const fields = problems.map((problem) => problem.field);
  expect(fields.sort()).toEqual(["a", "b[0]", "b[1].c", "b[1].e", "d.one", "f"]);
});

test("problems of one file are bounded", () => {
  const field = list(integer(), { max: 10_000 });
  const { problems } = parse(field, nodeOf(Array.from({ length: 5000 }, () => "x")));
  expect(problems.length).toBe(1000);
});

describe("checks across fields", () => {
  const range = object({ min: integer(), max: integer(), other: integer().optional() })
    .checkOf(["min", "max"], (value, report) => {
      if (value.min > value.max) report("max", "max is less than min", "raise it");
    })
    .check((value, report) => {
      if (value.other === 0) report("other", "0 is none");
    });

  test("one of some fields runs although another field is wrong", () => {
    const messages = wrong(object({ r: range }), { r: { min: 2, max: 1, other: "x" } });
    expect(messages).toHaveLength(2);
    expect(messages).toContain("r: max is less than min; raise it");
  });
  test("it does not run when a field that it needs is wrong", () => {
    expect(wrong(range, { min: 2, max: "x" })).toHaveLength(1);
  });
  test("one of the whole runs when all is right by itself", () => {
    expect(wrong(range, { min: 1, max: 2, other: 0 })).toEqual(["0 is none"]);
    expect(wrong(range, { min: 2, max: 1, other: 0 })).toHaveLength(2);
  });
  test("a check of an object that was given another shape still runs", () => {
    expect(
      wrong(
        range.as((value) => [value.min]),
        { min: 2, max: 1 },
      ),
    ).toHaveLength(1);
  });
});

test("only-on fields are accepted and noted, with their line", () => {
  const field = object({
    a: text().onlyOn("kubernetes").optional(),
    b: choice(["x", "y"], { onlyOn: { y: "kubernetes" } }).optional(),
  });
  const note = { kind: "only-on", where: "kubernetes", line: 1, column: 1 } as const;
  expect(parse(field, nodeOf({ a: "1", b: "y" })).notes).toEqual([
    { ...note, field: "a" },
    { ...note, field: "b" },
  ]);
  expect(parse(field, nodeOf({ b: "x" })).notes).toEqual([]);
});

test("a default that does not fit its own field is a bug that shows at once", () => {
  const field = object({ a: duration().default("soon") });
  expect(() => parse(field, nodeOf({}))).toThrow("default is invalid");
});

test("the type follows from the definition", () => {
  const field = object({
    a: duration().default("1s"),
    b: choice(["x", "y"]).optional(),
    c: list(map(boolean())),
    d: text().later("d is missing"),
  });
  const value: Infer<typeof field> = { a: 1, c: [{ k: true }] };
  const b: "x" | "y" | undefined = value.b;
  // @ts-expect-error -- a duration is a number after parsing
  const bad: Infer<typeof field> = { a: "1s", c: [] };
  expect([value.a, b, bad.c.length]).toEqual([1, undefined, 0]);
});

test("the JSON Schema has description, default and examples", () => {
  const field = object({
    a: duration().about("How long.").default("1s").example("2s"),
    b: text().later("b is missing").about("Secret."),
    c: integer({ min: 1, max: 3 }).onlyOn("kubernetes"),
  });
  expect(toJsonSchema(field, { id: "x", title: "T" })).toEqual({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "x",
    title: "T",
    type: "object",
    properties: {
      a: {
        anyOf: [
          { type: "string", pattern: "^(?:[0-9]+(?:\\.[0-9]+)?(?:ms|s|m|h|d))+$" },
          { const: 0 },
        ],
        description: "How long.",
        default: "1s",
        examples: ["2s"],
      },
      b: { description: "Not there yet: b is missing. Secret.", not: {} },
      c: {
        type: "integer",
        minimum: 1,
        maximum: 3,
        description: "Has an effect on kubernetes only.",
      },
    },
    required: ["c"],
    additionalProperties: false,
  });
});
