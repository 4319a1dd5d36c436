import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseCef } from "./cef.ts";
import { formatCsv, parseCsv } from "./csv.ts";
import { LOGFMT, parseKeyValue } from "./key_value.ts";
import { parseHaproxy, parseNginxError } from "./server_logs.ts";

describe("CSV", () => {
  const dialect = { delimiter: ",", quote: '"' };

  test("what is written is read again", () => {
    const value = fc.string({ unit: fc.constantFrom(...'ab," ä') });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1 }),
        fc.constantFrom(",", ";", "\t"),
        (values, delimiter) => {
          const own = { ...dialect, delimiter };
          expect(parseCsv(formatCsv(values, own), own)).toEqual(values);
        },
      ),
    );
  });

  test("empty values, quotes inside, and what is broken", () => {
    expect(parseCsv("", dialect)).toEqual([""]);
    expect(parseCsv('a,,"",b ', dialect)).toEqual(["a", "", "", "b "]);
    expect(parseCsv('5" disk,x', dialect)).toEqual(['5" disk', "x"]);
    expect(parseCsv('"open', dialect)).toBeNull();
    expect(parseCsv('"a"b,c', dialect)).toBeNull();
  });
});

describe("keys and values", () => {
  test("what is written as logfmt is read again", () => {
    const key = fc.string({ unit: fc.constantFrom(..."abc._-"), minLength: 1, maxLength: 8 });
    const value = fc.string({ unit: fc.constantFrom(...'ab "\\=\nä'), maxLength: 10 });
    fc.assert(
      fc.property(fc.dictionary(key, value, { minKeys: 1 }), (fields) => {
        const line = Object.entries(fields)
          .map(
            ([name, text]) => `${name}="${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`,
          )
          .join(" ");
        expect(parseKeyValue(line, LOGFMT)).toEqual({ ...fields });
      }),
    );
  });

  test("bare values, flags, and what is none", () => {
    expect(parseKeyValue("a=1  b=x=y debug c=", LOGFMT)).toEqual({
      a: "1",
      b: "x=y",
      debug: true,
      c: "",
    });
    for (const line of ["", "just some words", "=1", 'a="open']) {
      expect({ line, fields: parseKeyValue(line, LOGFMT) }).toEqual({ line, fields: null });
    }
    const dialect = { pairs: ", ", separator: ": ", flags: false };
    expect(parseKeyValue("a: 1, b: 2", dialect)).toEqual({ a: "1", b: "2" });
    expect(parseKeyValue("a: 1, flag", dialect)).toBeNull();
    expect(parseKeyValue("__proto__=1 a=2", LOGFMT)).toEqual({ a: "2" });
  });
});

describe("CEF", () => {
  test("escapes in header and extensions, spaces in values", () => {
    const event = parseCef(
      "CEF:1|a\\|b|c\\\\d|1|id|name|Very-High|filePath=/a b/c dst=10.0.0.1 msg=x\\=1\\ny cs1Label=k ",
    )!;
    expect([event.vendor, event.product, event.severity]).toEqual(["a|b", "c\\d", "Very-High"]);
    expect(event.extensions).toEqual({
      filePath: "/a b/c",
      dst: "10.0.0.1",
      msg: "x=1\ny",
      cs1Label: "k",
    });
  });

  test("no extensions, and what is none", () => {
    expect(parseCef("CEF:0|v|p|1|id|name|5|")!.extensions).toEqual({});
    expect(parseCef("CEF:0|v|p|1|id|name|5")!.severity).toBe("5");
    for (const line of ["", "CEF:", "CEF:0|v|p", "CEF:x|v|p|1|id|name|5|"]) {
      expect({ line, event: parseCef(line) }).toEqual({ line, event: null });
    }
  });
});

describe("logs of servers", () => {
  test("nginx' error log without a connection", () => {
    expect(parseNginxError("2026/11/21 09:15:18 [emerg] 1#1: bind() failed, client: odd")).toEqual({
      time: "2026/11/21 09:15:18",
      level: "emerg",
      pid: 1,
      tid: 1,
      client: "odd",
      message: "bind() failed",
    });
    expect(parseNginxError("2026/11/21 soon")).toBeNull();
  });

  test("HAProxy: a request that was never whole, behind a syslog header", () => {
    const line =
      'Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] in in/<NOSRV> -1/-1/-1/-1/+5000 408 +212 - - cR-- 1/1/0/0/+3 0/0 "<BADREQ>"';
    expect(parseHaproxy(line)).toMatchObject({
      pid: 14389,
      server: "<NOSRV>",
      total_ms: 5000,
      status: 408,
      bytes: 212,
      retries: 3,
      request: "<BADREQ>",
    });
    expect(parseHaproxy(line)).not.toHaveProperty("connect_ms");
    expect(parseHaproxy("Feb  6 12:14:14 localhost something else")).toBeNull();
  });
});
