import { expect, test } from "bun:test";
import fc from "fast-check";
import { SyslogFrames } from "./frames.ts";

const message = fc.stringMatching(/^<\d\d>1 [a-z é]{0,60}x$/);

/** What one sender writes, and the lengths of the pieces in which it arrives. */
const sender = fc.record({
  messages: fc.array(message, { maxLength: 20 }),
  counted: fc.boolean(),
  cuts: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 40, maxLength: 40 }),
});

test("connections that share memory read each its own messages, however the bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(sender, { minLength: 1, maxLength: 4 }), (senders) => {
      const shared = { bytes: Buffer.alloc(0) };
      const streams = senders.map(({ messages, counted, cuts }) => {
        const frames = new SyslogFrames({ framing: "auto", maxMessageBytes: 1000, shared });
        const text = messages.map((one) => {
          return counted ? `${Buffer.byteLength(one)} ${one}` : `${one}\n`;
        });
        return { frames, messages, cuts: [...cuts], left: Buffer.from(text.join("")), found: [""] };
      });
      while (streams.some(({ left }) => left.length > 0)) {
        for (const stream of streams) {
          const piece = stream.left.subarray(0, stream.cuts.pop() ?? 90);
          stream.left = stream.left.subarray(piece.length);
          const chunk = stream.frames.join(piece);
          while (stream.frames.next()) {
            const { start, end } = stream.frames;
            stream.found.push(chunk.toString("utf8", start, end));
          }
          stream.frames.release();
        }
      }
      for (const { found, messages } of streams) expect(found.slice(1)).toEqual(messages);
    }),
    { numRuns: 200 },
  );
});
