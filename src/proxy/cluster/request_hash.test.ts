import { expect, test } from "bun:test";
import { hashText } from "./balancers/hash.ts";
import { cookieOf } from "./request_hash.ts";

test("the first cookie of a name counts, whatever stands around it", () => {
  expect(cookieOf("sid=1", "sid")).toBe("1");
  expect(cookieOf("a=b; sid=x=y; sid=2", "sid")).toBe("x=y");
  expect(cookieOf("a=b;  sid = 3 , c=d", "sid")).toBe("3");
  expect(cookieOf("xsid=1; sid2=2; sid", "sid")).toBeNull();
  expect(cookieOf("", "sid")).toBeNull();
});

test("near texts have far hashes, in all 32 bits", () => {
  const hashes = Array.from({ length: 2_000 }, (_, index) => hashText(`user-${index}`));
  expect(new Set(hashes).size).toBe(2_000);
  for (let bit = 0; bit < 32; bit++) {
    const ones = hashes.filter((hash) => ((hash >>> bit) & 1) === 1).length;
    expect(Math.abs(ones - 1_000)).toBeLessThan(150);
  }
});
