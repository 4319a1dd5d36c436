import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { latin1 } from "../../codec/ascii.ts";
import type { Stream } from "../stream.ts";
import { type Asked, askedOf } from "./record.ts";

test("what is kept of a long request keeps nothing else of it in memory", () => {
  const usedBytes = (): number => {
    Bun.gc(true);
    return heapStats().heapSize;
  };
  const kept: Asked[] = [];
  const before = usedBytes();
  for (let n = 0; n < 300; n += 1) {
    const bytes = Buffer.from(`/items/${n}?${"q".repeat(60_000)}`);
    const target = latin1(bytes, 0, bytes.length);
    kept.push(askedOf({ head: { method: "GET", target, host: "shop" } } as Stream, n % 2 === 0));
  }
  // Kept whole they would be 18 MB.
  expect(usedBytes() - before).toBeLessThan(4e6);
  expect(kept[7]).toEqual({ method: "GET", path: "/items/7", query: "?...", host: "shop" });
  expect(kept[8]!.query).toBe(`?${"q".repeat(255)}`);
});
