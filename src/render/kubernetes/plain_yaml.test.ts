import { expect, test } from "bun:test";
import fc from "fast-check";
import { parse } from "yaml";
import { plainYaml } from "./plain_yaml.ts";
import type { Plain } from "./sourced.ts";

/** Texts that YAML reads as something else where nobody quotes them, and pieces of them. */
const ODD = [
  ...["", "~", "null", "True", "yes", "on", "N", "0", "-1", "0x1F", "0o17", "0777", "1_000", "1e3"],
  ...[".5", "-.inf", ".NaN", "1:30", "2001-01-01", "<<", "=", "---", "--- a", "...", "-", "- a", "?"],
  ...["a: b", "a:", "a #b", "#a", "[a", "{a", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "'a", '"a'],
  ...[" a", "a ", "\ta", "a\n", "\na", "a\n\n", "a\nb", "a\n b\n", "a \nb", "a\r\nb", "a\0b", "a\x7fb"],
  ...["a\u2028b", "a\ufeffb", "caf\u00e9", "\u{1f600}", "it's \"so\"", "a\tb", "10.0.0.0/8", "500m"],
];

const text = fc.oneof(
  fc.constantFrom(...ODD),
  fc.string({ unit: "grapheme" }),
  fc.array(fc.constantFrom("a", " ", "\n", "\t", ":", "#", "-", "'", '"', "0", "\\"), { maxLength: 8 }).map(
    (parts) => parts.join(""),
  ),
);
const scalar = fc.oneof(text, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean());
const { tree } = fc.letrec<{ tree: Plain }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    scalar,
    fc.constant(null),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(text, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test("what is written reads back the same, by readers of YAML 1.2 and of 1.1", () => {
  const options = { seed: 1, numRuns: 1500 };
  fc.assert(
    fc.property(tree, (value) => {
      const written = plainYaml(value);
      const same = JSON.parse(JSON.stringify(value));
      expect(parse(written)).toEqual(same);
      expect(parse(written, { version: "1.1", merge: false })).toEqual(same);
    }),
    options,
  );
});

test("what only YAML 1.1 takes for a line's end is written by its number", () => {
  expect(plainYaml({ a: "a\u2028b", b: "c\n\u2029d\n" })).toBe(
    'a: "a\\u2028b"\nb: "c\\n\\u2029d\\n"\n',
  );
});

test("it looks as people write it", () => {
  const object = { kind: "A", spec: { on: "yes", list: ["a", { b: 1, c: [] }, [["d"]]], none: {} } };
  expect(plainYaml({ ...object, data: { "a.txt": "one\n\n  two\n", b: "c\nd" } })).toBe(`kind: A
spec:
  "on": "yes"
  list:
    - a
    - b: 1
      c: []
    - - - d
  none: {}
data:
  a.txt: |
    one

      two
  b: |-
    c
    d
`);
});
