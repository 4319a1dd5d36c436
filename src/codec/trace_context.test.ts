import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HeaderBlock, hashName } from "./headers.ts";
import {
  NOT_SAMPLED,
  OPEN,
  SAMPLED,
  TRACE_FORMAT_BITS,
  TraceContext,
  W3C,
} from "./trace_context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const ALL = W3C | TRACE_FORMAT_BITS.b3 | TRACE_FORMAT_BITS["b3-multi"];

/** As the codec would have placed them. */
function block(fields: Readonly<Record<string, string>>): HeaderBlock {
  const headers = new HeaderBlock();
  const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  headers.reset(Buffer.from(text.join(""), "latin1"));
  let at = 0;
  for (const [name, value] of Object.entries(fields)) {
    const valueAt = at + name.length + 2;
    const end = valueAt + value.length;
    headers.place(hashName(name), at, at + name.length, valueAt, end, end + 2);
    at = end + 2;
  }
  return headers;
}

function read(fields: Readonly<Record<string, string>>, formats = ALL) {
  const headers = block(fields);
  const context = new TraceContext();
  context.read(headers, formats);
  return { headers, context };
}

function fieldsOf(headers: HeaderBlock): Record<string, string> {
  const fields: Record<string, string> = {};
  headers.forEach((name, value) => (fields[name] = value));
  return fields;
}

test.each([
  [{ traceparent: `00-${TRACE}-${SPAN}-01` }, SAMPLED],
  [{ traceparent: `00-${TRACE}-${SPAN}-00` }, NOT_SAMPLED],
  [{ traceparent: `01-${TRACE}-${SPAN}-03-more` }, SAMPLED],
  [{ b3: `${TRACE}-${SPAN}-1` }, SAMPLED],
  [{ b3: `${TRACE}-${SPAN}-d-${SPAN}` }, SAMPLED],
  [{ b3: `${TRACE}-${SPAN}-0` }, NOT_SAMPLED],
  [{ b3: `${TRACE}-${SPAN}` }, OPEN],
  [{ "x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "1" }, SAMPLED],
  [{ "x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-flags": "1" }, SAMPLED],
  [{ "x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "false" }, NOT_SAMPLED],
  [{ "x-b3-traceid": TRACE, "x-b3-spanid": SPAN }, OPEN],
] as const)("reads %p", (fields, decision) => {
  const { context } = read(fields);
  expect([context.hasIds, context.traceId, context.spanId]).toEqual([true, TRACE, SPAN]);
  expect(context.decision as number).toBe(decision);
});

test("B3's short trace ids get zeros in front, and go on as short as they came", () => {
  const { context, headers } = read({ b3: `${SPAN}-${SPAN}-1` });
  expect(context.traceId).toBe(`${"0".repeat(16)}${SPAN}`);
  context.writeSampled(headers, context.came | W3C, "1111111111111111", "2222222222222222");
  expect(fieldsOf(headers)).toEqual({
    b3: `${SPAN}-1111111111111111-1-2222222222222222`,
    traceparent: `00-${"0".repeat(16)}${SPAN}-1111111111111111-01`,
  });
});

test.each([{ b3: "0" }, { "x-b3-sampled": "0" }] as Record<string, string>[])("%p is a decision without a trace", (fields) => {
  const { context } = read(fields);
  expect([context.hasIds, context.decision]).toEqual([false, NOT_SAMPLED]);
});

describe("what is malformed is removed", () => {
  test.each([
    { traceparent: `00-${TRACE}-${SPAN}-1`, tracestate: "a=b" },
    { traceparent: `00-${TRACE}-${"0".repeat(16)}-01` },
    { traceparent: `00-${TRACE}-${SPAN}-0g` },
    { tracestate: "a=b" },
    { b3: "2" },
    { b3: `${TRACE.toUpperCase()}-${SPAN}-1` },
    { b3: `${TRACE}-${SPAN}-2` },
    { b3: `${TRACE}-${SPAN}-1-${SPAN}0` },
    { b3: `${"0".repeat(32)}-${SPAN}-1` },
    { "x-b3-traceid": TRACE },
    { "x-b3-traceid": `${TRACE}0`, "x-b3-spanid": SPAN },
    { "x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "maybe" },
    { "x-b3-sampled": "maybe" },
  ] as Record<string, string>[])("%p", (fields) => {
    const { context, headers } = read(fields);
    expect([context.hasIds, context.came, context.decision]).toEqual([false, 0, OPEN]);
    expect(fieldsOf(headers)).toEqual({});
  });

  test("and whatever comes, what is passed on can be read", () => {
    const piece = fc.constantFrom("0", "1", "d", "-", "00", "ff", TRACE, SPAN, "x", "");
    const value = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    const names = ["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"];
    const fields = fc.dictionary(fc.constantFrom(...names), value);
    fc.assert(
      fc.property(fields, fc.integer({ min: 0, max: 7 }), (came, wanted) => {
        const { context, headers } = read(came);
        if (!context.hasIds) context.create({ uint32: () => 0x12345678 });
        const isSampled = context.decision === SAMPLED;
        if (isSampled) context.writeSampled(headers, wanted, SPAN, null);
        else context.passUnsampled(headers, wanted);
        const next = new TraceContext();
        const passed = block(fieldsOf(headers));
        const before = fieldsOf(passed);
        next.read(passed, ALL);
        expect(fieldsOf(passed)).toEqual(before);
        expect(next.came & ~wanted).toBe(0);
        if (next.hasIds) {
          expect(next.traceId).toBe(context.traceId);
          expect(next.decision as number).toBe(isSampled ? SAMPLED : NOT_SAMPLED);
        }
      }),
      { seed: 1, numRuns: 2_000 },
    );
  });
});

test("W3C goes before B3, and what is not asked for is not looked at", () => {
  const both = { traceparent: `00-${TRACE}-${SPAN}-00`, b3: `${SPAN}-${SPAN}-1` };
  expect(read(both).context.decision as number).toBe(NOT_SAMPLED);
  const only = read(both, TRACE_FORMAT_BITS.b3).context;
  expect([only.decision as number, only.isShort]).toEqual([SAMPLED, true]);
});

test("an unsampled request keeps what it came with and gets what is wanted", () => {
  const { context, headers } = read({ b3: `${TRACE}-${SPAN}` });
  context.passUnsampled(headers, context.came | W3C);
  const ids = `${TRACE}-${SPAN}`;
  expect(fieldsOf(headers)).toEqual({ traceparent: `00-${ids}-00`, b3: `${ids}-0` });
  const w3c = read({ traceparent: `00-${ids}-00`, tracestate: "a=b" });
  w3c.context.passUnsampled(w3c.headers, TRACE_FORMAT_BITS["b3-multi"]);
  expect(fieldsOf(w3c.headers)).toEqual({
    "x-b3-traceid": TRACE,
    "x-b3-spanid": SPAN,
    "x-b3-sampled": "0",
  });
});

test("where a trace lies depends on the end of its id alone", () => {
  const at = (end: string) => read({ b3: `${TRACE.slice(0, 18)}${end}-${SPAN}` }).context.point;
  expect(at("80000000000000")).toBe(0.5);
  expect(at("00000000000000")).toBe(0);
  expect(at("ffffffffffffff")).toBeCloseTo(1, 12);
  expect(at("ffffffffffffff")).toBeLessThan(1);
});
