import { expect, test } from "bun:test";
import fc from "fast-check";
import { adviceFor, editDistance, nearest } from "./spelling.ts";

const WORDS = ["timeout", "retry", "breaker", "limits", "fallback", "balance", "port", "host"];

test.each([
  ["timeuot", "timeout"],
  ["time_out", "timeout"],
  ["Timeout", "timeout"],
  ["breker", "breaker"],
  ["prot", "port"],
  ["hosts", "host"],
])("%s means %s", (written, meant) => expect(nearest(written, WORDS)).toBe(meant));

test.each(["zebra", "", "x", "ab"])("%p means none of them", (written) => {
  expect(nearest(written, WORDS)).toBeNull();
});

test("one edit in a word of four letters or more is always forgiven", () => {
  const edit = fc.tuple(
    fc.constantFrom(...WORDS),
    fc.nat(),
    fc.constantFrom("drop", "swap", "double"),
  );
  fc.assert(
    fc.property(edit, ([word, at, how]) => {
      const i = at % (word.length - 1);
      const edited =
        how === "drop"
          ? word.slice(0, i) + word.slice(i + 1)
          : how === "swap"
            ? word.slice(0, i) + word[i + 1] + word[i] + word.slice(i + 2)
            : word.slice(0, i) + word[i] + word.slice(i);
      expect(nearest(edited, WORDS)).toBe(word);
    }),
    { seed: 1, numRuns: 200 },
  );
});

test("distance: none to itself, the same both ways, at most the longer length", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
    { seed: 1, numRuns: 200 },
  );
});

test("advice: the word that was meant, else what is known", () => {
  expect(adviceFor("timeuot", WORDS)).toBe('did you mean "timeout"?');
  expect(adviceFor("zebra", ["a", "b"])).toBe("known are a, b");
  expect(adviceFor("zebra", [])).toBe("none are known");
  expect(
    adviceFor(
      "zebra",
      Array.from({ length: 20 }, (_, i) => `n${i}`),
    ),
  ).toEndWith("n11, ...");
});
