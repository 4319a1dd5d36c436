import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { latin1 } from "../ascii.ts";
import { ByteWriter } from "../byte_writer.ts";
import type { BodyFraming, RequestHead, ResponseHead } from "../message.ts";
import {
  localResponseSize,
  requestHeadSize,
  responseHeadSize,
  writeLocalResponse,
  writeRequestHead,
  writeResponseHead,
} from "./encoder.ts";
import { RequestDecoder } from "./request_decoder.ts";
import { ResponseDecoder } from "./response_decoder.ts";

const LIMITS = { maxHeaderBytes: 16_384, maxHeaders: 100 };
const NO_SINK = { onBody() {}, onTrailers() {}, onMessageEnd() {} };

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function withRequest<T>(text: string, use: (head: RequestHead) => T): T {
  let result: { value: T } | null = null;
  const decoder = new RequestDecoder(LIMITS, {
    ...NO_SINK,
    onRequestHead: (head) => (result = { value: use(head) }),
  });
  const error = decoder.feed(bytesOf(text));
  if (error !== null) throw new Error(`${error.code}: ${error.message} in ${JSON.stringify(text)}`);
  return result!.value;
}

function withResponse<T>(text: string, use: (head: ResponseHead) => T): T {
  let result: { value: T } | null = null;
  const decoder = new ResponseDecoder(LIMITS, {
    ...NO_SINK,
    onResponseHead: (head) => (result = { value: use(head) }),
  });
  const error = decoder.feed(bytesOf(text));
  if (error !== null) throw new Error(`${error.code}: ${error.message} in ${JSON.stringify(text)}`);
  return result!.value;
}

/** Writes into exactly the room that the size function says, so that a wrong bound shows. */
function written(size: number, write: (out: ByteWriter) => void): string {
  const out = new ByteWriter(size);
  write(out);
  expect(out.length).toBeLessThanOrEqual(size);
  return latin1(out.bytes, 0, out.length);
}

function requestText(head: RequestHead): string {
  return written(requestHeadSize(head), (out) => writeRequestHead(out, head));
}

function forwarded(text: string, edit: (head: RequestHead) => void = () => {}): string {
  return withRequest(text, (head) => {
    edit(head);
    return requestText(head);
  });
}

function answered(
  text: string,
  options: { minorVersion?: number; framing?: BodyFraming; keepAlive?: boolean } = {},
): string {
  return withResponse(text, (head) => {
    const { minorVersion = 1, framing = head.framing, keepAlive = true } = options;
    return written(responseHeadSize(head), (out) => {
      writeResponseHead(out, head, minorVersion, framing, keepAlive);
    });
  });
}

describe("requests", () => {
  test("fields stay as they were written, in order", () => {
    const text = "GET /a?b HTTP/1.1\r\nHost: a\r\nX-one:1\r\nX-TWO: \t2 \r\nx-One: 3\r\n\r\n";
    expect(forwarded(text)).toBe(text);
  });

  test("what is meant for one connection goes no further (RFC 9110, 7.6.1)", () => {
    const text =
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n" +
      "Proxy-Connection: keep-alive\r\nTE: gzip\r\nTrailer: X\r\nUpgrade: websocket\r\n" +
      "X-Hop: 1\r\nX-Stays: 1\r\n\r\n";
    expect(forwarded(text)).toBe("GET / HTTP/1.1\r\nHost: a\r\nX-Stays: 1\r\n\r\n");
  });

  test("te: trailers goes on, alone, named by Connection or not (RFC 9110, 10.1.4)", () => {
    const wanted = "GET / HTTP/1.1\r\nte: trailers\r\nconnection: te\r\nHost: a\r\n\r\n";
    const lead = "GET / HTTP/1.1\r\nHost: a\r\n";
    expect(forwarded(`${lead}TE: trailers\r\n\r\n`)).toBe(wanted);
    expect(forwarded(`${lead}TE: gzip;q=0.5, Trailers\r\nConnection: TE\r\n\r\n`)).toBe(wanted);
    expect(forwarded(`${lead}TE: gzip\r\nTE: trailers\r\n\r\n`)).toBe(wanted);
    expect(forwarded(`${lead}TE: x-trailers\r\n\r\n`)).toBe(`${lead}\r\n`);
  });

  test("an upgrade goes on, one to HTTP/2 does not", () => {
    const text = (protocol: string): string =>
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n" +
      `Upgrade: ${protocol}\r\nHTTP2-Settings: AA\r\n\r\n`;
    expect(forwarded(text("websocket"))).toBe(
      "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nHost: a\r\n\r\n",
    );
    for (const protocol of ["h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.0"]) {
      expect(forwarded(text(protocol))).toBe("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    const withoutHeader = forwarded(text("websocket"), (head) => head.headers.remove("Upgrade"));
    expect(withoutHeader).toBe("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  });

  test("framing is written anew", () => {
    const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
    expect(forwarded(chunked)).toBe(
      "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nHost: a\r\n\r\n",
    );
    const length = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    expect(forwarded(length)).toBe(length);
    const changed = forwarded(length, (head) => {
      head.framing = "chunked";
      head.headers.set("content-length", "7");
      head.headers.append("transfer-encoding", "gzip");
    });
    expect(changed).toBe("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nHost: a\r\n\r\n");
  });

  test("the authority of an absolute target is the Host (RFC 9112, 3.2.2)", () => {
    const text = "GET http://shop:81/x HTTP/1.1\r\nHost: other\r\nA: 1\r\n\r\n";
    expect(forwarded(text)).toBe("GET /x HTTP/1.1\r\nhost: shop:81\r\nA: 1\r\n\r\n");
    const edited = forwarded(text, (head) => head.headers.set("Host", "third"));
    expect(edited).toBe("GET /x HTTP/1.1\r\nA: 1\r\nhost: third\r\n\r\n");
  });

  test("HTTP/1.0 goes on as HTTP/1.1: with a Host, without Expect", () => {
    expect(forwarded("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")).toBe(
      "GET / HTTP/1.1\r\nhost: \r\n\r\n",
    );
    const named = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    expect(forwarded(named)).toBe(named.replace("1.0", "1.1"));
    const edited = forwarded("GET / HTTP/1.0\r\n\r\n", (head) => head.headers.set("host", "b"));
    expect(edited).toBe("GET / HTTP/1.1\r\nhost: b\r\n\r\n");
  });

  test("a rewritten target", () => {
    const text = "GET /old?q HTTP/1.1\r\nHost: a\r\n\r\n";
    const edited = forwarded(text, (head) => (head.rewritten = "/new"));
    expect(edited).toBe("GET /new HTTP/1.1\r\nHost: a\r\n\r\n");
  });

  test("the bound knows nothing of the messages before it in the same piece", () => {
    const one = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const sizes: number[] = [];
    const decoder = new RequestDecoder(LIMITS, {
      ...NO_SINK,
      onRequestHead: (head) => sizes.push(requestHeadSize(head)),
    });
    expect(decoder.feed(bytesOf(one.repeat(100)))).toBe(null);
    expect(new Set(sizes).size).toBe(1);
  });
});

describe("edits", () => {
  const text = "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\nx: 3\r\n\r\n";

  test("set, append and remove, seen by readers and by the next hop", () => {
    withRequest(text, (head) => {
      const { headers } = head;
      expect(headers.get("X")).toBe("1, 3");
      headers.append("X", "4");
      expect(headers.get("x")).toBe("1, 3, 4");
      headers.set("x", "5");
      expect(headers.get("x")).toBe("5");
      headers.appendBytes("z", bytesOf("6"));
      headers.remove("y");
      expect(headers.get("y")).toBe(null);
      expect(headers.isAdded("z")).toBe(true);
      const seen: string[] = [];
      headers.forEach((name, value) => seen.push(`${name}=${value}`));
      expect(seen).toEqual(["Host=a", "x=5", "z=6"]);
      expect(requestText(head)).toBe("GET / HTTP/1.1\r\nHost: a\r\nx: 5\r\nz: 6\r\n\r\n");
      headers.remove("Z");
      headers.remove("host");
      expect(headers.has(1)).toBe(false);
      expect(headers.known(1)).toBe(null);
    });
  });

  test("edits do not outlive their message", () => {
    const heads: string[] = [];
    const decoder = new RequestDecoder(LIMITS, {
      ...NO_SINK,
      onRequestHead: (head) => {
        if (heads.length === 0) {
          head.headers.set("x", "9");
          head.headers.remove("host");
        }
        heads.push(requestText(head));
      },
    });
    decoder.feed(bytesOf(text + text));
    expect(heads[1]).toBe(text);
  });

  test("a name or value that would break the head is a bug", () => {
    withRequest(text, ({ headers }) => {
      for (const [name, value] of [
        ["a b", "1"],
        ["", "1"],
        ["a", "1\r\nb: 2"],
        ["a", "\u010d\u010a"],
        ["a:", "1"],
      ] as const) {
        expect(() => headers.set(name, value)).toThrow("bug: ");
      }
    });
  });
});

describe("responses", () => {
  test("hop-by-hop fields go, the connection's own are written", () => {
    const text = "HTTP/1.1 200 Fine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\n";
    expect(answered(text)).toBe("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    expect(answered(text, { keepAlive: false })).toBe(
      "HTTP/1.1 200 OK\r\nconnection: close\r\nContent-Length: 2\r\n\r\n",
    );
    expect(answered(text, { minorVersion: 0 })).toBe(
      "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nContent-Length: 2\r\n\r\n",
    );
  });

  test("chunked and until-close leave no length behind", () => {
    const text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    expect(answered(text, { framing: "chunked" })).toBe(
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    expect(answered(text, { framing: "until-close" })).toBe(
      "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    );
  });

  test("1xx and 204 carry no length, 304 may (RFC 9110, 8.6)", () => {
    const text = (status: number): string => `HTTP/1.1 ${status} \r\nContent-Length: 2\r\n\r\n`;
    expect(answered(text(103))).toBe("HTTP/1.1 103 Early Hints\r\n\r\n");
    expect(answered(text(204))).toBe("HTTP/1.1 204 No Content\r\n\r\n");
    expect(answered(text(304))).toBe("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n");
    expect(answered(text(799))).toBe("HTTP/1.1 799 \r\nContent-Length: 2\r\n\r\n");
  });

  test("a switch of protocols", () => {
    const text = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: 1\r\n\r\n";
    expect(answered(text)).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
        "X: 1\r\n\r\n",
    );
  });
});

describe("local responses", () => {
  const local = (
    status: number,
    headers: Record<string, string>,
    body: string,
    options: { minorVersion?: number; keepAlive?: boolean; withoutBody?: boolean } = {},
  ): string => {
    const bytes = bytesOf(body);
    return written(localResponseSize(headers, bytes), (out) => {
      writeLocalResponse(out, status, headers, bytes, {
        minorVersion: 1,
        keepAlive: true,
        withoutBody: false,
        ...options,
      });
    });
  };

  test("length and connection are ours alone", () => {
    const headers = { "Content-Length": "999", Connection: "x", "x-a": "1" };
    expect(local(503, headers, "no", { keepAlive: false })).toBe(
      "HTTP/1.1 503 Service Unavailable\r\nx-a: 1\r\ncontent-length: 2\r\n" +
        "connection: close\r\n\r\nno",
    );
  });

  test("no body for HEAD, 1xx, 204 and 304", () => {
    expect(local(200, {}, "no", { withoutBody: true })).toBe(
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
    );
    expect(local(204, {}, "no")).toBe("HTTP/1.1 204 No Content\r\n\r\n");
    expect(local(304, {}, "no")).toBe("HTTP/1.1 304 Not Modified\r\n\r\n");
    expect(local(100, {}, "no")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  });

  test("HTTP/1.0 is told that the connection stays", () => {
    expect(local(200, {}, "", { minorVersion: 0 })).toBe(
      "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
    );
  });
});

describe("round trip", () => {
  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/);
  const value = fc
    .stringMatching(/^[\t\x20-\x7e\x80-\xff]{0,30}$/)
    .map((text) => text.replace(/^[\t ]+|[\t ]+$/g, ""));
  const own =
    /^(?:host|connection|content-length|transfer-encoding|upgrade|te|trailer|(?:keep|proxy)-.+)$/i;
  const extra = {
    none: "",
    length: "content-length: 5\r\n",
    chunked: "transfer-encoding: chunked\r\n",
  };
  const fields = fc.array(fc.tuple(token.filter((name) => !own.test(name)), value), {
    maxLength: 30,
  });
  const target = fc.stringMatching(/^\/[!$-;=-~]{0,80}$/).map((text) => text.replace(/[#"]/g, ""));
  const framing = fc.constantFrom("none", "length", "chunked");
  const blanks = fc.constantFrom("", " ", "\t ", "   ");

  test("a request: decoded, encoded and decoded again it is the same", () => {
    const method = token.filter((name) => name !== "CONNECT");
    fc.assert(
      fc.property(method, target, fields, framing, blanks, (...generated) => {
        const [method, target, fields, framing, ows] = generated;
        const lines = fields.map(([name, value]) => `${name}:${ows}${value}${ows}\r\n`).join("");
        const text = `${method} ${target} HTTP/1.1\r\n${extra[framing]}host: h:1\r\n${lines}\r\n`;
        const describeHead = (head: RequestHead): unknown => {
          const seen: [string, string][] = [];
          head.headers.forEach((name, value) => seen.push([name, value]));
          const { method, target, path, host, framing, contentLength, keepAlive } = head;
          return { method, target, path, host, framing, contentLength, keepAlive, seen };
        };
        const [first, wire] = withRequest(text, (head) => [describeHead(head), requestText(head)]);
        expect(first).toMatchObject({ method, target, host: "h:1", framing });
        const { seen } = first as { seen: unknown[] };
        expect(seen.slice(framing === "none" ? 1 : 2)).toEqual(fields);
        expect(withRequest(wire, describeHead)).toEqual(first);
      }),
      { seed: 91, numRuns: 300 },
    );
  });

  test("a response: decoded, encoded and decoded again it is the same", () => {
    const status = fc.integer({ min: 200, max: 999 });
    fc.assert(
      fc.property(status, fields, framing, (status, fields, framing) => {
        const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
        const text = `HTTP/1.1 ${status} Any\r\n${extra[framing]}${lines}\r\n`;
        const describeHead = (head: ResponseHead): unknown => {
          const seen: string[] = [];
          head.headers.forEach((name, value) => {
            if (!own.test(name)) seen.push(`${name}: ${value}`);
          });
          return { status: head.status, framing: head.framing, seen };
        };
        const first = withResponse(text, describeHead);
        expect(withResponse(answered(text), describeHead)).toEqual(first);
      }),
      { seed: 92, numRuns: 300 },
    );
  });

  test("the sizes are upper bounds also where every part is long", () => {
    const long = "x".repeat(3000);
    const lead = `Upgrade: ${long}\r\nConnection: upgrade\r\n${long}: 1\r\n\r\n`;
    for (const [target, host] of [[`/${long}`, "a"], ["/", long], [`http://${long}/`, "a"]]) {
      const request = `${"M".repeat(24)} ${target} HTTP/1.1\r\nHost: ${host}\r\n${lead}`;
      const text = forwarded(request, (head) => head.headers.append("y", long));
      expect(text.length).toBeGreaterThan(4 * 3000);
    }
    expect(answered(`HTTP/1.1 101 \r\nUpgrade: ${long}\r\na: ${long}\r\n\r\n`)).toContain(long);
  });

  test("whatever is edited, the sizes are upper bounds", () => {
    const edit = fc.oneof(
      fc.tuple(fc.constant("remove" as const), fc.constantFrom("x", "y", "host", "upgrade", "te")),
      fc.tuple(fc.constant("set" as const), fc.constantFrom("x", "host", "new"), value),
      fc.tuple(fc.constant("append" as const), token, value),
    );
    const lead =
      "GET http://shop/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" +
      "TE: trailers\r\nX: 1\r\nY: 2\r\n\r\n";
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 20 }), fc.boolean(), (edits, upgrade) => {
        withRequest(lead, (head) => {
          head.upgrade = upgrade;
          for (const [how, name, value] of edits) {
            if (how === "remove") head.headers.remove(name);
            else head.headers[how](name, value);
          }
          // requestText has exactly the room that the bound says; what it writes must be whole.
          const text = requestText(head).replace(/^connection: .*\r\n/gim, "");
          expect(text.match(/^host: /gim)?.length ?? 0).toBeGreaterThanOrEqual(1);
          expect(text).toEndWith("\r\n\r\n");
        });
      }),
      { seed: 93, numRuns: 300 },
    );
  });
});
