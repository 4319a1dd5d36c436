import { expect, test } from "bun:test";
import { hashText } from "./balancers/hash.ts";

test("near texts have far hashes, in all 32 bits", () => {
  const hashes = Array.from({ length: 2_000 }, (_, index) => hashText(`user-${index}`));
  expect(new Set(hashes).size).toBe(2_000);
  for (let bit = 0; bit < 32; bit++) {
    const ones = hashes.filter((hash) => ((hash >>> bit) & 1) === 1).length;
    expect(Math.abs(ones - 1_000)).toBeLessThan(150);
  }
});
