import { expect, test } from "bun:test";
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
