import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Event } from "../api/event.ts";
import type { Fields } from "../api/event.ts";
import { parse } from "../schema/field.ts";
import { nodeOf } from "../schema/node.ts";
import { EventBatch } from "./event_batch.ts";
import { compileExpression, condition } from "./expression.ts";
import { parseFieldPath, removeAt, setAt } from "./expression/path.ts";

function eventOf(fields: Fields | null, line = "a line"): Event {
  const chunk = Buffer.from(line);
  const batch = new EventBatch("app", "s", "/logs/a.log", chunk, 0, 0, () => {});
  const event = new Event(batch, 0, chunk.length);
  event.fields = fields;
  return event;
}

const FIELDS: Fields = {
  level: "error",
  status: 503,
  text: "Payment failed",
  ok: true,
  none: null,
  tags: ["a", "b", 3],
  http: { status: 500, path: "/x" },
  "odd name": 1,
  written: "12.5",
};

function run(expression: string, fields: Fields | null = FIELDS): unknown {
  const compiled = compileExpression(expression);
  if (!compiled.ok) throw new Error(`${expression}: ${compiled.column}: ${compiled.problem}`);
  return compiled.run(eventOf(fields));
}

function problem(expression: string): string {
  const compiled = compileExpression(expression);
  return compiled.ok ? "ok" : `${compiled.column}: ${compiled.problem}`;
}

const TRUE = [
  'event.level == "error" && event.http.status >= 500',
  "event.level == 'error'",
  'event.level != "info"',
  'event.level != "info" && !(event.status < 500)',
  "event.ok",
  "!event.missing",
  'event.level in ["warn", "error"]',
  "event.status in [500, 503]",
  'event.text contains "failed"',
  'event.tags contains "b"',
  "event.tags contains 3",
  'event.text startsWith "Pay" && event.text endsWith "ed"',
  'matches(event.text, "^Pay\\w+ ")',
  "matches(event.written, '\\d+\\.\\d')",
  "exists(event.http.path) && !exists(event.none) && !exists(event.http.nothing)",
  'lower(event.text) == "payment failed"',
  "length(event.text) == 14 && length(event.tags) == 3",
  "number(event.written) > 12 && number(event.level) == null",
  'text(event.status) == "503"',
  "event.none == null && event.missing == null && event.http.path.deeper == null",
  'event["odd name"] == 1 && event.tags[2] == 3 && event.tags[9] == null',
  "event.status + 2 * 3 - 1 == 508 && -event.status == -503 && 7 % 4 == 3",
  '"a" + "b" == "ab" && event.level + 1 == null',
  "event.status / 0 == null",
  'meta.source == "app" && meta.path endsWith ".log" && meta.bytes == 6',
  "false || true && true",
];

describe("values", () => {
  for (const expression of TRUE) {
    test(expression, () => expect(run(expression)).toBe(true));
  }

  test("what has other types is not compared: false, never an error", () => {
    for (const expression of [
      "event.level > 3",
      "event.status < event.level",
      'event.http == "x"',
      "event.http == event.http",
      'event.status startsWith "5"',
      'event.none contains "x"',
      "event.missing && true",
      "event.status || false",
      'matches(event.status, "5")',
    ]) {
      expect({ expression, value: run(expression) }).toEqual({ expression, value: false });
    }
  });

  test("names that every object has are fields only where the event has them", () => {
    expect(run("exists(event.constructor) || exists(event.http.toString)")).toBe(false);
    expect(run("event.constructor == 1", { constructor: 1 })).toBe(true);
  });

  test("an event that nothing has parsed has a message, and is not decoded", () => {
    const compiled = compileExpression('event.message contains "line" && event.level == null');
    const event = eventOf(null);
    expect(compiled.ok && compiled.run(event)).toBe(true);
    expect(event.fields).toBeNull();
  });
});

describe("problems, with their column", () => {
  const problems: Record<string, string> = {
    "": "1: found the end, expected a value such as event.level",
    'event.level = "x"': '13: "=" means nothing here; write "==" to compare',
    "event.level == ": "16: found the end, expected a value such as event.level",
    '"a" < 3': "5: < of a text and a number",
    'event.x == 1 && "a" == 3': "21: a text never equals a number",
    "true < 3": "1: < compares numbers or texts, this is a boolean",
    "event.x && 3": "12: && wants true or false, this is a number; compare it with something",
    '!"a"': "2: ! wants true or false, this is a text; compare it with something",
    "level == 1": '1: "level" is not known; a field is event.level, a text "level"',
    "lenght(event.x)": '1: "lenght" is not known; did you mean length?',
    "event == 1": "1: event needs a field: event.message",
    "event.x in []": "12: the list is empty",
    "event.x in [event.y]": "13: a list holds texts, numbers, true, false, null",
    "3 in ['a']": "1: a number is never in this list",
    'event.x == "abc': '12: the text that " opens does not end',
    "(event.x": '9: found the end, expected ")" after what the parenthesis opens',
    'matches(event.x, "(")': "18: matches(): missing closing ): `(`",
    "matches(event.x, event.y)": '18: matches() wants a quoted text: "^a+$"',
    "exists(3)": "8: exists() wants a field such as event.x",
    "length(event.x, 1)": "1: length() with 2 arguments; write length(event.x)",
    "event.a == event.b == event.c":
      '20: "==" after a comparison; join the two with && or use parentheses',
    "meta.size > 1": '6: found "size", expected one of source, path, bytes',
    "event.x 3": '9: found "3", expected an operator such as && or the end',
    "event.x contains null": "18: contains wants a text or number or boolean, this is a null",
    "constructor(1)":
      '1: "constructor" is not known; a field is event.constructor, a text "constructor"',
  };
  for (const [expression, expected] of Object.entries(problems)) {
    test(expression === "" ? "nothing" : expression, () =>
      expect(problem(expression)).toBe(expected),
    );
  }

  test("depth and length are bounded", () => {
    expect(problem(`${"(".repeat(100)}true${")".repeat(100)}`)).toContain("nested deeper than 40");
    expect(problem(`${"!".repeat(100)}true`)).toContain("nested deeper than 40");
    expect(problem(Array(600).fill("event.a").join(" && "))).toContain("more than 1000 words");
  });

  test("a condition in a file says the place", () => {
    const read = parse(condition(), nodeOf("event.x > "), { file: "p.yaml", at: ["spec", "when"] });
    expect(read.problems[0]!.message).toContain('found "event.x > "');
    expect(read.problems[0]!.advice).toBe(
      "column 11: found the end, expected a value such as event.level",
    );
    expect(parse(condition(), nodeOf("event.x + 1")).problems[0]!.advice).toContain(
      "gives a number",
    );
  });
});

test("whatever is written: a problem with a column, or a total function", () => {
  const words = [
    ..."( ) [ ] , . ! && || == < >= + - * event event.a event.b.c meta.source in contains".split(
      " ",
    ),
    ...'"x" 3 true null length( lower( exists( matches( "a+" number('.split(" "),
  ];
  const written = fc
    .array(fc.constantFrom(...words), { maxLength: 12 })
    .map((all) => all.join(" "));
  const values = fc.record({ a: fc.jsonValue(), b: fc.jsonValue() });
  let compiledOnes = 0;
  fc.assert(
    fc.property(fc.oneof(written, fc.string()), values, (text, fields) => {
      const compiled = compileExpression(text);
      if (!compiled.ok) {
        expect(compiled.column).toBeGreaterThan(0);
        expect(compiled.column).toBeLessThanOrEqual(text.length + 1);
        return;
      }
      compiledOnes += 1;
      const before = JSON.stringify(fields);
      const value = compiled.run(eventOf(fields as Fields));
      expect(value).not.toBeUndefined();
      expect(JSON.stringify(fields)).toBe(before);
      if (compiled.type === "boolean") expect(typeof value).toBe("boolean");
    }),
    { numRuns: 5000 },
  );
  expect(compiledOnes).toBeGreaterThan(50);
});

describe("paths", () => {
  test("as they are written", () => {
    expect(parseFieldPath("http.status")).toEqual(["http", "status"]);
    expect(parseFieldPath("event.http.status")).toEqual(["http", "status"]);
    expect(parseFieldPath('["odd name"].x[0]')).toEqual(["odd name", "x", 0]);
    for (const wrong of ["", ".", "a.", "a..b", "[0]", "a b", "a[x]"]) {
      expect({ wrong, path: parseFieldPath(wrong) }).toEqual({ wrong, path: null });
    }
  });

  test("setting and removing", () => {
    const fields: Fields = { a: 1, list: [1, 2], deep: { x: 1 } };
    expect(setAt(fields, ["new", "b"], 2)).toBe(true);
    expect(setAt(fields, ["a", "b"], 2)).toBe(false);
    expect(setAt(fields, ["list", 1], 9)).toBe(true);
    expect(setAt(fields, ["list", 7], 9)).toBe(false);
    expect(setAt(fields, ["__proto__"], 9)).toBe(true);
    expect(removeAt(fields, ["deep", "x"])).toBe(true);
    expect(removeAt(fields, ["deep", "x"])).toBe(false);
    expect(JSON.stringify(fields)).toBe(
      '{"a":1,"list":[1,9],"deep":{},"new":{"b":2},"__proto__":9}',
    );
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
