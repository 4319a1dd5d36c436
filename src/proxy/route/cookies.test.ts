import { expect, test } from "bun:test";
import fc from "fast-check";
import { cookieOf } from "./cookies.ts";

test("the first cookie of a name counts, whatever stands around it", () => {
  expect(cookieOf("sid=1", "sid")).toBe("1");
  expect(cookieOf("a=b; sid=x=y; sid=2", "sid")).toBe("x=y");
  expect(cookieOf("a=b;  sid = 3 , c=d", "sid")).toBe("3");
  expect(cookieOf("xsid=1; sid2=2; sid", "sid")).toBeNull();
  expect(cookieOf("", "sid")).toBeNull();
  // Two lines of the header, and a value that has a comma though it should not.
  expect(cookieOf("a=1, sid=4; b=2", "sid")).toBe("4");
  expect(cookieOf("sid=1,2; b=2", "sid")).toBe("1,2");
});

test("whatever the header, it finds what splitting finds", () => {
  const plain = (header: string, name: string): string | null => {
    for (const pair of header.split(/;|, /)) {
      const equals = pair.indexOf("=");
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
      return pair.slice(equals + 1).trim();
    }
    return null;
  };
  const part = fc.constantFrom("a", "b", "ab", "=", ";", ", ", ",", " ", "; ", "a=", "b=1");
  const header = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(header, fc.constantFrom("a", "b", "ab"), (text, name) => {
      expect(cookieOf(text, name)).toBe(plain(text, name));
    }),
    { seed: 1, numRuns: 3_000 },
  );
});
