import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parse } from "../schema/field.ts";
import { nodeOf } from "../schema/node.ts";
import { formatPathPattern, parsePathPattern, pathAdvice, pathPattern } from "./path_pattern.ts";

describe("the notation of paths", () => {
  test.each([
    ["/", { kind: "exact", value: "/" }],
    ["/items", { kind: "exact", value: "/items" }],
    ["/items/", { kind: "exact", value: "/items/" }],
    ["/*", { kind: "prefix", value: "/" }],
    ["/items/*", { kind: "prefix", value: "/items" }],
    ["/a/b.c/d~e/*", { kind: "prefix", value: "/a/b.c/d~e" }],
    ["/..a", { kind: "exact", value: "/..a" }],
    ["/users/{id}/orders", { kind: "template", value: "/users/{id}/orders" }],
    ["/{a}", { kind: "template", value: "/{a}" }],
    ["/u/{id_2}/*", { kind: "template", value: "/u/{id_2}/*" }],
    ["~^/v[0-9]+/", { kind: "regex", value: "^/v[0-9]+/" }],
    ["~(/a|/b)", { kind: "regex", value: "(/a|/b)" }],
  ] as const)("%s", (written, match) => {
    expect(parsePathPattern(written)).toEqual(match);
    expect(formatPathPattern(match)).toBe(written);
  });

  test.each([
    ["", 'write "/"'],
    ["items", 'write "/items"'],
    ["*", 'write "/*"'],
    ["~v[0-9]+/", 'write "~/..."'],
    ["~/a b", 'write "~/..."'],
    ["/u{id}", "a whole segment"],
    ["/{}", "a whole segment"],
    ["/a/{id", "a whole segment"],
    ["/items*", 'write "/items/*"'],
    ["/a/*/b", 'write "/a/*"'],
    ["/a?b", "leave the query out"],
    ["/a//b", "resolved"],
    ["/a/./b", "resolved"],
    ["/a/..", "resolved"],
  ])("%p is not in it", (written, advice) => {
    expect(parsePathPattern(written)).toBeNull();
    expect(pathAdvice(written)).toContain(advice);
  });

  test.each([
    ["~/(a", "missing closing )"],
    ["~/(a)\\1", "invalid escape"],
    ["~/a(?=b)", "invalid"],
  ])("%s: an expression that could not run is refused", (written, reason) => {
    const { problems } = parse(pathPattern(), nodeOf(written));
    expect(problems[0]?.advice).toContain(reason);
  });

  test("whatever is accepted is the same when it is written again", () => {
    const segment = fc.stringMatching(/^[a-z.*~%{}]{0,3}$/);
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 4 }), (segments) => {
        const written = `/${segments.join("/")}`;
        const match = parsePathPattern(written);
        if (match !== null) expect(formatPathPattern(match)).toBe(written);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
