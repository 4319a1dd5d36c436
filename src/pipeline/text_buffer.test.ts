import { expect, test } from "bun:test";
import fc from "fast-check";
import { TextBuffer } from "./text_buffer.ts";

test("texts lie one behind the other as UTF-8, whatever they hold and however long they are", () => {
  const buffer = new TextBuffer();
  const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.boolean(), fc.integer({ min: 1, max: 5000 }))), (all) => {
      buffer.clear();
      let whole = "";
      for (const [one, isLine, times] of all) {
        const long = one.repeat(times);
        if (isLine) buffer.addLine(long);
        else buffer.add(long);
        // Each by itself: halves of a pair that stand in two texts are two broken characters.
        whole += Buffer.from(long).toString("latin1") + (isLine ? "\n" : "");
      }
      expect(buffer.length).toBe(whole.length);
      expect(buffer.bytes.equals(Buffer.from(whole, "latin1"))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("what a large text took is let go", () => {
  const buffer = new TextBuffer();
  buffer.add("é".repeat(3_000_000));
  expect(buffer.bytes.buffer.byteLength).toBeGreaterThan(6_000_000);
  buffer.clear();
  expect([buffer.length, buffer.bytes.buffer.byteLength]).toEqual([0, 64 * 1024]);
});
