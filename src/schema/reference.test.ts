import { expect, test } from "bun:test";
import fc from "fast-check";
import { integer, list, map, object, referenceRows, text } from "./field.ts";
import { valueOf } from "./node.ts";
import { readYaml } from "./read_yaml.ts";
import { writtenText } from "./reference.ts";
import type { Json } from "./field.ts";

test("a row for each field, outermost first, with names that the user chooses in capitals", () => {
  const field = object({
    calls: map(object({ port: integer().default(80) })).about("Calls."),
    hosts: list(object({ name: text() })).optional(),
    soon: object({ x: text() }).later("it is missing"),
  });
  const rows = referenceRows(field, "spec").map((row) => [row.path, row.required, row.later]);
  expect(rows).toEqual([
    ["spec", true, null],
    ["spec.calls", true, null],
    ["spec.calls.NAME.port", false, null],
    ["spec.hosts", false, null],
    ["spec.hosts[].name", true, null],
    ["spec.soon", false, "it is missing"],
  ]);
});

test("a written value is the same when YAML reads it, on one line", () => {
  const key = fc.string({ maxLength: 6 }).filter((one) => one !== "__proto__" && one !== "<<");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string({ maxLength: 8 }),
      fc.constantFrom(
        "true",
        "Null",
        "1",
        "1e3",
        "0x10",
        "2s",
        "25%",
        "-c",
        "a: b",
        "{{a}}",
        "~",
        "",
      ),
      fc.integer(),
      fc.boolean(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (one) => {
      const written = writtenText(one as Json);
      expect(written).not.toContain("\n");
      const { documents, problems } = readYaml("f", `a: ${written}\nb: [${written}]\n`);
      expect(problems).toEqual([]);
      expect(documents.map(valueOf)).toEqual([{ a: one, b: [one] }]);
    }),
    { seed: 1, numRuns: 500 },
  );
});
