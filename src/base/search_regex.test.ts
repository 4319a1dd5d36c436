import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { regexCost } from "./regex_cost.ts";
import type { RegexNode } from "./regex_syntax.ts";
import { contains, parseRegex } from "./regex_syntax.ts";
import { compileSearchRegex } from "./search_regex.ts";
import type { SearchRegex } from "./search_regex.ts";

/** From the literature on catastrophic backtracking (OWASP, "Regular expression Denial of Service"). */
const EVIL = [
  "(a+)+$",
  "^(a+)+$",
  "^([a-zA-Z]+)*$",
  "^(a|aa)+$",
  "^(a|a?)+$",
  "^(.*a){12}$",
  "^((ab)*)+$",
  "^(\\w+\\s?)*$",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
  "(x+x+)+y",
  "(?:a*)*b",
  "^(?:a|b|ab)*c$",
  "^(?:\\d+,?)*x$",
];

function compiled(pattern: string): SearchRegex {
  const regex = compileSearchRegex(pattern);
  if (typeof regex === "string") throw new Error(`${pattern}: ${regex}`);
  return regex;
}

describe("which engine", () => {
  test("a pattern that may run away is never the platform's", () => {
    for (const pattern of EVIL) {
      expect({ pattern, engine: compiled(pattern).engine }).toEqual({ pattern, engine: "re2" });
    }
  });

  test("what logs are read with is proven linear", () => {
    const patterns = [
      '^(?<client>\\S+) \\S+ (?<user>\\S+) \\[(?<time>[^\\]]+)\\] "(?<request>[^"]*)" (?<status>\\d{3}) (?<bytes>\\d+|-)',
      "^(?<time>\\S+ \\S+) \\[(?<level>\\w+)\\] (?<event>\\w+) (?<rest>.*)$",
      "user=(?<user>\\S+)",
      "(?i)\\berror\\b",
      "AKIA[0-9A-Z]{16}",
    ];
    for (const pattern of patterns) {
      expect({ pattern, engine: compiled(pattern).engine }).toEqual({ pattern, engine: "native" });
    }
  });

  test("what costs the square is native for short texts only", () => {
    const regex = compiled("\\d+ms");
    expect(regex.engine).toBe("short");
    expect(regex.maxNativeLength).toBeGreaterThan(100);
    expect(regex.maxNativeLength).toBeLessThan(20_000);
    const long = `${"1".repeat(30_000)} 12ms`;
    expect(regex.exec(long)).toEqual(["12ms"]);
    expect(regex.exec("12ms")![0]).toBe("12ms");
  });

  test("what is wrong is said", () => {
    expect(compileSearchRegex("(?<a>")).toContain("missing");
    expect(compileSearchRegex("(?<=x)y")).toContain("(?<=x)");
    expect(compileSearchRegex("(a)\\1")).toContain("\\1");
    expect(compileSearchRegex("(?:[a-z]{1000}){5}x{3}")).toContain("repeat");
  });
});

describe("both engines give the same", () => {
  const atoms = ["a", "b", ".", "\\d", "\\S", "[ab]", "[^a]", "\\b", "ä", "$", "^", "(?i)A", "\\s"];
  const pattern = fc
    .array(
      fc.tuple(fc.constantFrom(...atoms), fc.constantFrom("", "", "?", "*", "+", "*?", "{1,2}")),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    .map((parts) =>
      parts
        .map(([atom, count]) => (/^(?:\^|\$|\\b)/.test(atom) ? atom : `(${atom})${count}`))
        .join(""),
    );
  const text = fc.string({ unit: fc.constantFrom(..."ab1 ä\nA😀"), maxLength: 12 });

  test("matches and groups", () => {
    const native: SearchRegex[] = [];
    fc.assert(
      fc.property(pattern, text, (written, value) => {
        const regex = compiled(written);
        const re2 = compiled(`${written}(?:\\pN{0})`);
        expect(re2.engine).toBe("re2");
        if (regex.engine !== "re2") native.push(regex);
        expect(regex.test(value)).toBe(re2.test(value));
        const [a, b] = [regex.exec(value), re2.exec(value)];
        expect(a === null ? null : [...a]).toEqual(b === null ? null : [...b]);
      }),
      { numRuns: 500 },
    );
    expect(native.length).toBeGreaterThan(100);
  });

  test("replacing", () => {
    for (const engine of ["", "(?:\\pN{0})"]) {
      const regex = compiled(`[0-9]+${engine}`);
      expect(regex.replaceAll("a1b22", (found) => `<${found}>`)).toBe("a<1>b<22>");
      expect(regex.replaceAll("none", () => "x")).toBe("none");
    }
  });
});

describe("the bound holds", () => {
  const alphabet = ["a", "b", "[ab]", "[^a]", "."];
  const tree: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: "small", maxDepth: 4 },
      fc.constantFrom(...alphabet),
      fc.array(tie("node"), { minLength: 2, maxLength: 3 }).map((items) => items.join("")),
      fc
        .array(tie("node"), { minLength: 2, maxLength: 3 })
        .map((items) => `(?:${items.join("|")})`),
      fc
        .tuple(tie("node"), fc.constantFrom("*", "+", "?", "*?", "+?", "{0,2}", "{2}", "??"))
        .map(([item, count]) => `(?:${item})${count}`),
    ),
  })).node;
  const texts = fc
    .tuple(
      fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 3 }),
      fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom("", "c", "cc"),
    )
    .map(([head, body, times, tail]) => head + body.repeat(times) + tail);

  test("steps of a backtracking engine, of random patterns and texts", () => {
    let proven = 0;
    fc.assert(
      fc.property(
        tree,
        fc.constantFrom("", "^"),
        fc.constantFrom("", "$", "c"),
        texts,
        (...parts) => {
          const [body, anchor, end, text] = parts;
          const node = parseRegex(`${anchor}(?:${body})${end}`)!;
          const cost = regexCost(node);
          if (cost === null) return;
          proven += 1;
          const bound = cost.steps * (text.length + 1) ** cost.degree;
          expect(stepsOf(node, text, bound + 1)).toBeLessThanOrEqual(bound);
        },
      ),
      { numRuns: 3000 },
    );
    expect(proven).toBeGreaterThan(500);
  });

  test("what is called evil is: its steps grow beyond any such bound", () => {
    const node = parseRegex("^(a+)+$")!;
    expect(regexCost(node)).toBeNull();
    expect(stepsOf(node, `${"a".repeat(22)}c`, 1e6)).toBeGreaterThan(1e6);
  });
});

/** A plain backtracking matcher that counts; it stops above `limit`. */
function stepsOf(pattern: RegexNode, text: string, limit: number): number {
  let steps = 0;
  const match = (node: RegexNode, at: number, next: (at: number) => boolean): boolean => {
    steps += 1;
    if (steps > limit) return true;
    switch (node.kind) {
      case "set":
        return at < text.length && contains(node.set, text.charCodeAt(at)) && next(at + 1);
      case "assert":
        return (node.what === "start" ? at === 0 : at === text.length) && next(at);
      case "group":
        return match(node.item, at, next);
      case "choice":
        return node.options.some((option) => match(option, at, next));
      case "sequence": {
        const from = (index: number, place: number): boolean =>
          index === node.items.length
            ? next(place)
            : match(node.items[index]!, place, (behind) => from(index + 1, behind));
        return from(0, at);
      }
      case "repeat": {
        const round = (count: number, place: number): boolean => {
          const again = (): boolean =>
            count < node.max &&
            match(node.item, place, (behind) => behind > place && round(count + 1, behind));
          if (count < node.min) return again();
          return node.isLazy ? next(place) || again() : again() || next(place);
        };
        return round(0, at);
      }
    }
  };
  for (let start = 0; start <= text.length; start++) {
    if (match(pattern, start, () => true)) break;
  }
  return steps;
}
