import { expect, test } from "bun:test";
import fc from "fast-check";
import { nodeAt, nodeOf, parsePath, pathText, placeOf, valueOf } from "./node.ts";
import { readYaml } from "./read_yaml.ts";

const RUNS = { seed: 1, numRuns: 200 };

test("a path is read back from its text", () => {
  const step = fc.oneof(fc.nat(1000), fc.string({ minLength: 1, maxLength: 8 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 5 }), (steps) => {
      // A key of digits and dots stands in quotes, an index in brackets: both come back.
      expect(parsePath(pathText(steps)).map(String)).toEqual(steps.map(String));
    }),
    RUNS,
  );
});

test.each([
  [["spec", "calls", "api", "retry", "on", 0], "spec.calls.api.retry.on[0]"],
  [["metadata", "labels", "example.com/team"], 'metadata.labels["example.com/team"]'],
  [["a b"], '["a b"]'],
])("%j is %s", (path, text) => expect(pathText(path)).toBe(text));

test("values survive the way through nodes", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(valueOf(nodeOf(value))).toEqual(value as never);
    }),
    RUNS,
  );
});

test("a place is the key's, the item's, or the nearest parent's that was written", () => {
  const [root] = readYaml("f", "a:\n  b: [x,\n    y]\n  c: 1\n").documents;
  expect(placeOf(root!, ["a", "b"])).toEqual({ place: { line: 2, column: 3 }, depth: 2 });
  expect(placeOf(root!, ["a", "b", 1])).toEqual({ place: { line: 3, column: 5 }, depth: 3 });
  expect(placeOf(root!, ["a", "d", "e"])).toEqual({ place: { line: 1, column: 1 }, depth: 1 });
  expect(nodeAt(root!, ["a", "c"])).toMatchObject({ kind: "number", value: 1 });
  expect(nodeAt(root!, ["a", "c", "d"])).toBeUndefined();
});
