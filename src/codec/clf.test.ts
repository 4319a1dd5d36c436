import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseClf, parseClfTime } from "./clf.ts";

const BASE = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326';

describe("lines", () => {
  test("S2-17 the common format, field by field", () => {
    expect(parseClf(BASE, "clf")).toEqual({
      client: "127.0.0.1",
      ident: null,
      user: "frank",
      time: "10/Oct/2000:13:55:36 -0700",
      request: "GET /a HTTP/1.0",
      method: "GET",
      target: "/a",
      protocol: "HTTP/1.0",
      status: 200,
      bytes: 2326,
      referer: null,
      agent: null,
    });
  });

  test("the combined format; nginx may add more behind it", () => {
    const line = `${BASE} "http://x/?a=1" "Mozilla/5.0 (X11)" "-" rt=0.1`;
    const record = parseClf(line, "combined")!;
    expect(record.referer).toBe("http://x/?a=1");
    expect(record.agent).toBe("Mozilla/5.0 (X11)");
    expect(parseClf(line, "clf")!.bytes).toBe(2326);
  });

  test("a user with spaces, a request that is none, escapes", () => {
    const head = '1.2.3.4 - a b [10/Oct/2000:13:55:36 +0000] "';
    const record = parseClf(`${head}\\x16\\x03 \\"q\\" \\\\ \\xc3\\xa9" 400 -`, "clf")!;
    expect(record.user).toBe("a b");
    expect(record.request).toBe('\u0016\u0003 "q" \\ é');
    expect([record.method, record.bytes]).toEqual([null, null]);
  });

  test("what is not in the format is null", () => {
    const wrong = [
      "",
      "odd",
      BASE.replace('"GET', "GET"),
      BASE.replace(" 200 ", " 2000 "),
      BASE.replace("2326", "2326x"),
      BASE.replace(' HTTP/1.0"', ' HTTP/1.0\\"'),
    ];
    for (const line of wrong) {
      expect({ line, found: parseClf(line, "clf") }).toEqual({ line, found: null });
    }
    expect(parseClf(BASE, "combined")).toBeNull();
    expect(parseClf(`${BASE} "-" "unclosed`, "combined")).toBeNull();
  });

  test("any request, referer and agent come back as they were written", () => {
    const escape = (text: string): string => text.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n");
    const word = fc.string({ maxLength: 40 }).filter((text) => text !== "-");
    fc.assert(
      fc.property(word, word, word, (request, referer, agent) => {
        const quoted = [referer, agent].map((text) => `"${escape(text)}"`).join(" ");
        const head = '::1 - - [10/Oct/2000:13:55:36 +0000] "';
        const line = `${head}${escape(request)}" 200 0 ${quoted}`;
        const record = parseClf(line, "combined")!;
        expect([record.request, record.referer, record.agent]).toEqual([request, referer, agent]);
      }),
    );
  });

  test("no text breaks it", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        for (const line of [text, `${BASE.slice(0, 50)}${text}`]) {
          const record = parseClf(line, "combined");
          if (record !== null) expect(record.status).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

describe("times", () => {
  test("with a zone", () => {
    expect(parseClfTime("10/Oct/2000:13:55:36 -0700")).toBe(Date.UTC(2000, 9, 10, 20, 55, 36));
    expect(parseClfTime("29/Feb/2024:00:00:00 +0530")).toBe(Date.UTC(2024, 1, 28, 18, 30, 0));
  });

  test("what is no time", () => {
    const wrong = ["", "10/Foo/2000:13:55:36 -0700", "31/Feb/2000:13:55:36 +0000"];
    for (const text of [...wrong, "10/Oct/2000:24:00:00 +0000", "10/Oct/2000"]) {
      expect({ text, ms: parseClfTime(text) }).toEqual({ text, ms: null });
    }
  });

  test("any time of this and the next century comes back", () => {
    const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
    const two = (n: number): string => String(n).padStart(2, "0");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5e9 }), (seconds) => {
        const date = new Date(seconds * 1000);
        const month = months[date.getUTCMonth()];
        const day = `${two(date.getUTCDate())}/${month}/${date.getUTCFullYear()}`;
        const parts = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
        expect(parseClfTime(`${day}:${parts.map(two).join(":")} +0000`)).toBe(seconds * 1000);
      }),
    );
  });
});
