import { expect, test } from "bun:test";
import fc from "fast-check";
import { canonicalJson, sameJson } from "./canonical.ts";

test("keys come in one order, at every depth, and undefined members are left out", () => {
  expect(canonicalJson({ b: 1, a: { d: [{ z: 1, y: undefined }], c: null } })).toBe(
    '{"a":{"c":null,"d":[{"z":1}]},"b":1}',
  );
});

test("a value keeps its meaning", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("the order in which keys were written does not matter", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      expect(sameJson(value, reversed)).toBe(true);
    }),
  );
});
