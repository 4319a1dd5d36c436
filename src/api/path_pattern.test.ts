import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatPathPattern, parsePathPattern, pathAdvice } from "./path_pattern.ts";

describe("the notation of paths", () => {
  test.each([
    ["/", { kind: "exact", value: "/" }],
    ["/items", { kind: "exact", value: "/items" }],
    ["/items/", { kind: "exact", value: "/items/" }],
    ["/*", { kind: "prefix", value: "/" }],
    ["/items/*", { kind: "prefix", value: "/items" }],
    ["/a/b.c/d~e/*", { kind: "prefix", value: "/a/b.c/d~e" }],
    ["/..a", { kind: "exact", value: "/..a" }],
  ] as const)("%s", (written, match) => {
    expect(parsePathPattern(written)).toEqual(match);
    expect(formatPathPattern(match)).toBe(written);
  });

  test.each([
    ["", 'write "/"'],
    ["items", 'write "/items"'],
    ["*", 'write "/*"'],
    ["~^/v[0-9]+/", "regular expressions arrive later"],
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

  test("whatever is accepted is the same when it is written again", () => {
    const segment = fc.stringMatching(/^[a-z.*~%]{0,3}$/);
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
