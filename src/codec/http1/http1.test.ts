import { describe, expect, test } from "bun:test";
import type { CodecError } from "../message.ts";
import { fuzz, fuzzOnce } from "./http1.fuzz.ts";
import { RequestDecoder } from "./request_decoder.ts";
import { ResponseDecoder } from "./response_decoder.ts";

const MAX_HEADER_BYTES = 2048;
const LIMITS = { maxHeaderBytes: MAX_HEADER_BYTES, maxHeaders: 50 };
const SINK = {
  onBody() {},
  onTrailers() {},
  onMessageEnd() {},
  onRequestHead() {},
  onResponseHead() {},
};

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

test("mutated fixtures: any split, llhttp and the next hop agree", () => {
  for (let seed = 1; seed <= 3000; seed++) fuzzOnce(seed);
});

test("the fuzz target runs once at least and counts", async () => {
  expect(await fuzz(5, 0)).toEqual({ runs: 1 });
});

describe("nothing endless is read for long", () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  /** What is repeated behind the start, and after how many bytes it is refused at the latest. */
  const endless: readonly (readonly [string, string, string, string, number])[] = [
    ["a method", "", "A", "bad-request-line", 30],
    ["a target", "GET /", "a", "header-too-large", MAX_HEADER_BYTES],
    ["a header's name", "GET / HTTP/1.1\r\n", "a", "header-too-large", MAX_HEADER_BYTES],
    ["a header's value", "GET / HTTP/1.1\r\na:", "a", "header-too-large", MAX_HEADER_BYTES],
    ["blanks before a value", "GET / HTTP/1.1\r\na:", " ", "header-too-large", MAX_HEADER_BYTES],
    ["header lines", "GET / HTTP/1.1\r\n", "a:\r\n", "too-many-headers", 4 * 51],
    ["empty lines", "", "\r\n", "unexpected-data", 10],
    ["a chunk's size", head, "0", "bad-chunk", 14],
    ["a chunk's extension", `${head}1;`, "a", "bad-chunk", 256],
    ["a trailer", `${head}0\r\na:`, "a", "bad-trailer", 8192],
    ["trailers", `${head}0\r\n`, "a:\r\n", "too-many-headers", 4 * 51],
  ];
  for (const [what, start, repeated, code, most] of endless) {
    for (const size of [1, 7, 1000]) {
      test(`${what}, in pieces of ${size}`, () => {
        const decoder = new RequestDecoder(LIMITS, SINK);
        expect(decoder.feed(bytesOf(start))).toBe(null);
        const stream = bytesOf(repeated.repeat(Math.ceil((most + 3000) / repeated.length)));
        let error: CodecError | null = null;
        let fed = 0;
        while (error === null && fed < stream.length) {
          error = decoder.feed(stream.subarray(fed, fed + size));
          fed += size;
        }
        // A method is judged with its line, the latest at the limit.
        const bound = what === "a method" ? MAX_HEADER_BYTES : most;
        expect(error?.code as string).toBe(code);
        expect(fed).toBeLessThanOrEqual(bound + size);
      });
    }
  }

  test("a reason", () => {
    const decoder = new ResponseDecoder(LIMITS, SINK);
    let error = decoder.feed(bytesOf("HTTP/1.1 200 "));
    for (let fed = 0; error === null && fed < 4096; fed++) error = decoder.feed(bytesOf("a"));
    expect(error?.code).toBe("header-too-large");
  });
});

describe("hold and resume", () => {
  const pair = bytesOf("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");

  function held(): { decoder: RequestDecoder; paths: string[] } {
    const paths: string[] = [];
    const decoder: RequestDecoder = new RequestDecoder(LIMITS, {
      ...SINK,
      onRequestHead(head) {
        paths.push(head.path);
        decoder.hold = true;
      },
    });
    return { decoder, paths };
  }

  test("the second request waits, and later bytes wait behind it", () => {
    const { decoder, paths } = held();
    expect(decoder.isIdle).toBe(true);
    decoder.feed(pair);
    expect(paths).toEqual(["/1"]);
    expect(decoder.heldBytes).toBe(pair.length / 2);
    expect(decoder.isIdle).toBe(false);
    decoder.feed(pair.subarray(0, 10));
    expect(decoder.heldBytes).toBe(pair.length / 2 + 10);
    decoder.resume();
    expect(paths).toEqual(["/1", "/2"]);
    expect(decoder.heldBytes).toBe(10);
    decoder.resume();
    expect(decoder.heldBytes).toBe(0);
    decoder.feed(pair.subarray(10, pair.length / 2));
    expect(paths).toEqual(["/1", "/2", "/1"]);
    expect(decoder.isIdle).toBe(true);
  });

  test("a peer that closes its side is still answered what it asked", () => {
    const { decoder, paths } = held();
    decoder.feed(pair);
    expect(decoder.end()).toBe(null);
    expect(decoder.resume()).toBe(null);
    expect(paths).toEqual(["/1", "/2"]);
  });

  test("half a held request is told as truncated once it is read", () => {
    const { decoder, paths } = held();
    decoder.feed(pair.subarray(0, pair.length - 5));
    expect(decoder.end()).toBe(null);
    expect(decoder.resume()?.code).toBe("truncated");
    expect(paths).toEqual(["/1"]);
  });

  test("an upgrade takes over what was held", () => {
    let body = "";
    const decoder: RequestDecoder = new RequestDecoder(LIMITS, {
      ...SINK,
      onRequestHead: () => (decoder.hold = true),
      onBody: (bytes, start, end) => (body += String.fromCharCode(...bytes.subarray(start, end))),
    });
    const fields = "Host: a\r\nUpgrade: x\r\nConnection: upgrade\r\n";
    decoder.feed(bytesOf(`GET / HTTP/1.1\r\n${fields}\r\nhi`));
    expect(body).toBe("");
    decoder.becomeRaw();
    expect(decoder.resume()).toBe(null);
    decoder.feed(bytesOf("\r\n\0"));
    expect(body).toBe("hi\r\n\0");
    expect(decoder.end()).toBe(null);
  });

  test("resumed from within the end of a message", () => {
    const paths: string[] = [];
    const decoder: RequestDecoder = new RequestDecoder(LIMITS, {
      ...SINK,
      onRequestHead(head) {
        paths.push(head.path);
        decoder.hold = true;
      },
      onMessageEnd: () => void decoder.resume(),
    });
    expect(decoder.feed(pair)).toBe(null);
    expect(paths).toEqual(["/1", "/2"]);
    expect(decoder.isIdle).toBe(true);
  });
});

test("an error stays", () => {
  const decoder = new RequestDecoder(LIMITS, SINK);
  const error = decoder.feed(bytesOf("\0"));
  expect(error?.code).toBe("bad-request-line");
  expect(decoder.feed(bytesOf("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))).toBe(error);
  expect(decoder.end()).toBe(error);
  expect(decoder.resume()).toBe(error);
});
