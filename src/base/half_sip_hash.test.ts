import { expect, test } from "bun:test";
import { halfSipHash } from "./half_sip_hash.ts";

/** The reference's vectors_hsip64: the key is 00 01 .. 07, the input 00 01 .. of each length. */
test.each([
  ["", "218d1f59b9b83cc8"],
  ["\u0100", "064f39ef7c50eb57"],
  ["\u0100\u0302", "d5e78a175be52ea1"],
])("the reference's vector of %p", (text, expected) => {
  const into = new Int32Array(2);
  halfSipHash(text, 0x0302_0100, 0x0706_0504, into);
  expect(Buffer.from(into.buffer).toString("hex")).toBe(expected);
});

test("another key, another hash; and one character is enough", () => {
  const hashes = new Set<string>();
  for (const text of ["", "a", "b", "ab", "ba", "10.0.0.1", "10.0.0.2", "x".repeat(300)]) {
    for (const key of [0, 1, -1]) {
      const into = new Int32Array(2);
      halfSipHash(text, key, 7, into);
      hashes.add(into.join());
    }
  }
  expect(hashes.size).toBe(24);
});
