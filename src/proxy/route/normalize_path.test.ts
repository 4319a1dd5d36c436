import { expect, test } from "bun:test";
import fc from "fast-check";
import { normalizePath } from "./normalize_path.ts";
import { fuzzOnce } from "./path.fuzz.ts";

test.each([
  // RFC 3986, 5.2.4 and 6.2.2.
  ["/a/b/c/./../../g", "/a/g"],
  ["/%7Esmith/home.html", "/~smith/home.html"],
  ["/%41%2d%5f", "/A-_"],
  ["/a%c3%a9", "/a%C3%A9"],
  ["/a/../b", "/b"],
  ["/a/..", "/"],
  ["/a/.", "/a/"],
  ["/a/b/..", "/a/"],
  ["/.", "/"],
  ["/..", "/"],
  ["/../../etc/passwd", "/etc/passwd"],
  ["/a/%2e%2e/b", "/b"],
  ["/a/%2E./b", "/b"],
  // No dot segments: they only start with dots.
  ["/.well-known/x", "/.well-known/x"],
  ["/a/...", "/a/..."],
  ["/..a/b..", "/..a/b.."],
  // An encoded slash is no slash; a doubled one is kept.
  ["/a%2fb", "/a%2Fb"],
  ["/a%2F..%2Fb", "/a%2F..%2Fb"],
  ["/a//b", "/a//b"],
  ["//a/..", "//"],
  // Decoded once, never twice.
  ["/%2541", "/%2541"],
  ["/%252e%252e/x", "/%252e%252e/x"],
])("%s is %s", (path, normal) => {
  expect(normalizePath(path)).toBe(normal);
});

const REFUSED = ["/a%", "/a%4", "/a%zz", "/%00", "/a%00b", "/a\\b", "/%5c..", "/%5C", "a/b", ""];

test.each(REFUSED)("%p is refused", (path) => {
  expect(normalizePath(path)).toBeNull();
});

const PIECES = ["/", ".", "..", "a", "B", "%2e", "%2F", "%41", "%7e", "%25", "//", "%c3%a9", "~"];
const piece = fc.constantFrom(...PIECES);

test("what is normal stays as it is, and holds no dot segment", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const once = normalizePath(`/${pieces.join("")}`)!;
      expect(normalizePath(once)).toBe(once);
      expect(once.startsWith("/")).toBe(true);
      expect(once.split("/").some((part) => part === "." || part === "..")).toBe(false);
      expect(/%[0-9a-f]{0,1}[a-f]/.test(once)).toBe(false);
    }),
    { seed: 1, numRuns: 1_000 },
  );
});

test("mutated paths", () => {
  for (let seed = 1; seed <= 2_000; seed++) fuzzOnce(seed);
});
