import { expect, test } from "bun:test";
import fc from "fast-check";
import { fromPointer, parentPointer, toPointer } from "./pointer.ts";

test("a pointer escapes ~ and / as RFC 6901 has it", () => {
  expect(toPointer(["a/b", "m~n", 0])).toBe("/a~1b/m~0n/0");
  expect(fromPointer("/a~1b/m~0n/0")).toEqual(["a/b", "m~n", "0"]);
});

test("segments come back from the pointer that was made of them", () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (segments) => {
      expect(fromPointer(toPointer(segments))).toEqual(segments);
    }),
  );
});

test("parents lead up to the whole", () => {
  expect(parentPointer("/a/b")).toBe("/a");
  expect(parentPointer("/a")).toBe("");
  expect(parentPointer("")).toBeNull();
});
