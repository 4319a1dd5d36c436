import { describe, expect, test } from "bun:test";
import { Xoshiro128 } from "../../base/xoshiro.ts";
import { latin1 } from "../ascii.ts";
import { CodecError } from "../message.ts";
import { type RepairKind, repairHead, REPAIRS, tolerantHeadEnd } from "./repair.ts";
import { ResponseDecoder } from "./response_decoder.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (one) => one.charCodeAt(0));

/** The repaired head, or the refusal in one line. */
function repaired(text: string): { head: string; kinds: RepairKind[] } | string {
  const found = repairHead(bytesOf(text));
  if (found instanceof CodecError) return found.text;
  const head = latin1(found.bytes, 0, found.bytes.length);
  return { head, kinds: found.repairs.map(({ kind }) => kind) };
}

/** One head for each kind, so that the table of repairs cannot promise what is not done. */
const EXAMPLES: Readonly<Record<RepairKind, readonly [string, string]>> = {
  "space-before-colon": ["X : 1\r\n", "X: 1\r\n"],
  "control-character": ["X:\x01a\0b\r\n", "X: a b\r\n"],
  "obsolete-folding": ["X: a\r\n\t b\r\n", "X: a b\r\n"],
  "bare-line-feed": ["X: 1\n", "X: 1\r\n"],
  "bad-header-name": ["X Y: 1\r\nZ: 2\r\n", "Z: 2\r\n"],
};

describe("each repair that the documentation lists", () => {
  for (const kind of Object.keys(REPAIRS) as RepairKind[]) {
    test(kind, () => {
      const [broken, whole] = EXAMPLES[kind];
      const end = kind === "bare-line-feed" ? "\n" : "\r\n";
      const status = "HTTP/1.1 200 OK";
      const head = `${status}\r\n${whole}\r\n`;
      expect(repaired(`${status}${end}${broken}${end}`)).toEqual({ head, kinds: [kind] });
    });
  }
});

test("a refusal names the header", () => {
  const status = "HTTP/1.1 200 OK\r\n";
  expect(repaired(`${status}X: 1\r\nContent-Length : 2\r\n\r\n`)).toBe(
    "bad-header-name: malformed, and it says where the answer ends, header Content-Length",
  );
  expect(repaired(`${status}X: a\nb\r\n\r\n`)).toBe(
    "bare-line-feed: some lines end with a line feed alone, and some do not, header X",
  );
  expect(repaired(`${status}X: a\r b\r\n\r\n`)).toBe(
    "bad-header-value: a lone carriage return, which some take for the end of a line, header X",
  );
});

test("the end of a head is where the most tolerant reader sees it", () => {
  const ends = ["a\r\n\r\nb", "a\n\nb", "a\r\n\nb", "a\n\r\nb", "a\r\n\r", "a\n\r", "a\n"];
  expect(ends.map((text) => tolerantHeadEnd(bytesOf(text), 0))).toEqual([5, 3, 4, 4, 0, 0, 0]);
});

test("a repaired head needs no repair, and frames its answer as a strict reader would", () => {
  const random = Xoshiro128.fromSeed(7);
  const pieces = [..."\r\n\t :,aX\0\x01\x7f\xff", "\r\n", "\r\n ", "\n", "Content-Length", "chunked"];
  pieces.push("Transfer-Encoding: ", "Content-Length: 2\r\n", "X: 1\r\n", "HTTP/1.1 200 OK");
  let good = 0;
  for (let run = 0; run < 20_000; run++) {
    let text = "HTTP/1.1 200 OK\r\n";
    for (let words = 1 + Math.floor(random.next() * 8); words > 0; words--) {
      text += pieces[Math.floor(random.next() * pieces.length)]!;
    }
    const bytes = bytesOf(`${text}\r\n\r\n`);
    const found = repairHead(bytes.subarray(0, tolerantHeadEnd(bytes, 0)));
    if (found instanceof CodecError) continue;
    good++;
    const sink = { onBody() {}, onTrailers() {}, onMessageEnd() {}, onResponseHead() {} };
    const error = new ResponseDecoder({ maxHeaderBytes: 4096, maxHeaders: 100 }, sink).feed(
      found.bytes,
    );
    const codes = ["bad-content-length", "conflicting-framing", "unsupported-transfer-coding"];
    if (error !== null) expect([text, codes]).toEqual([text, expect.arrayContaining([error.code])]);
  }
  expect(good).toBeGreaterThan(1_000);
});
