import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { gunzip } from "./gzip.ts";

test("what unfolds beyond the bound, is cut short or is none, is told apart", () => {
  const bytes = Buffer.alloc(100_000, "a line\n");
  const packed = gzipSync(bytes);
  expect(gunzip(packed, 100_000)).toEqual(bytes);
  expect(gunzip(packed, 99_999)).toBe("too-large");
  expect(gunzip(gzipSync(Buffer.alloc(50_000_000)), 1000)).toBe("too-large");
  expect(gunzip(packed.subarray(0, packed.length - 9), 100_000)).toBe("not-gzip");
  expect(gunzip(bytes, 100_000)).toBe("not-gzip");
  expect(gunzip(new Uint8Array(0), 100_000)).toBe("not-gzip");
});
