import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  encodeCommand,
  encodeValue,
  RespDecoder,
  type RespLimits,
  type RespProblem,
  type RespValue,
} from "./resp.ts";
import { fuzzOnce } from "./resp.fuzz.ts";

const LIMITS: RespLimits = { maxDepth: 4, maxItems: 20, maxBytes: 200 };

interface Read {
  readonly values: readonly RespValue[];
  readonly problem: RespProblem | null;
}

function read(pieces: readonly Uint8Array[], limits = LIMITS): Read {
  const values: RespValue[] = [];
  const decoder = new RespDecoder(limits, { onValue: (value) => values.push(value) });
  let problem: RespProblem | null = null;
  for (const piece of pieces) problem = decoder.feed(piece);
  return { values, problem };
}

/** The same whole, at every split in two, and byte by byte. */
function readEverySplit(wire: string, limits = LIMITS): Read {
  const bytes = Buffer.from(wire, "latin1");
  const whole = read([bytes], limits);
  for (let at = 0; at <= bytes.length; at++) {
    const halves = [bytes.subarray(0, at), bytes.subarray(at)];
    expect(read(halves, limits)).toEqual(whole);
  }
  expect(read([...bytes].map((byte) => Uint8Array.of(byte)), limits)).toEqual(whole);
  return whole;
}

const bytesOfText = (text: string) => new Uint8Array(Buffer.from(text));
const bulk = (text: string): RespValue => ({ type: "bulk", value: bytesOfText(text) });
const BIG = 3492890328409238509324850943850943825024385n;
const one = { type: "integer", value: 1 } as const;

test.each<[string, RespValue]>([
  ["+OK\r\n", { type: "simple", value: "OK" }],
  ["+\r\n", { type: "simple", value: "" }],
  ["-NOSCRIPT No matching script.\r\n", { type: "error", value: "NOSCRIPT No matching script." }],
  [":-42\r\n", { type: "integer", value: -42 }],
  [":+7\r\n", { type: "integer", value: 7 }],
  [":9223372036854775807\r\n", { type: "integer", value: 9223372036854775807n }],
  ["$5\r\na\r\nbc\r\n", bulk("a\r\nbc")],
  ["$0\r\n\r\n", bulk("")],
  ["$-1\r\n", { type: "null" }],
  ["*-1\r\n", { type: "null" }],
  ["_\r\n", { type: "null" }],
  ["*0\r\n", { type: "array", items: [] }],
  [
    "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
    { type: "array", items: [one, { type: "array", items: [bulk("x")] }] },
  ],
  ["#t\r\n", { type: "boolean", value: true }],
  [",1.25e3\r\n", { type: "double", value: 1250 }],
  [",-inf\r\n", { type: "double", value: -Infinity }],
  [`(${BIG}\r\n`, { type: "big", value: BIG }],
  ["!5\r\nERR x\r\n", { type: "error", value: "ERR x" }],
  ["=6\r\ntxt:hi\r\n", { type: "verbatim", format: "txt", value: bytesOfText("hi") }],
  ["%1\r\n+a\r\n:1\r\n", { type: "map", items: [{ type: "simple", value: "a" }, one] }],
  ["~2\r\n:1\r\n:1\r\n", { type: "set", items: [one, one] }],
  [">1\r\n:1\r\n", { type: "push", items: [one] }],
  ["|1\r\n+ttl\r\n:9\r\n:1\r\n", one],
  ["*1\r\n|1\r\n+ttl\r\n:9\r\n:1\r\n", { type: "array", items: [one] }],
])("%j is read the same at every split", (wire, value) => {
  expect(readEverySplit(wire)).toEqual({ values: [value], problem: null });
  // And again behind itself.
  expect(read([Buffer.from(wire + wire, "latin1")]).values).toEqual([value, value]);
});

test.each<[string, RespProblem["code"]]>([
  ["hello\r\n", "malformed"],
  ["\r\n", "malformed"],
  ["+OK\n", "malformed"],
  ["+O\rK\r\n", "malformed"],
  [":1.5\r\n", "malformed"],
  [":\r\n", "malformed"],
  ["$-2\r\n", "malformed"],
  ["$1x\r\n", "malformed"],
  ["$?\r\n", "malformed"],
  ["*?\r\n", "malformed"],
  ["%-1\r\n", "malformed"],
  ["$3\r\nabcd\r\n", "malformed"],
  ["=2\r\nhi\r\n", "malformed"],
  ["#yes\r\n", "malformed"],
  [",0x10\r\n", "malformed"],
  ["(1.5\r\n", "malformed"],
  ["_x\r\n", "malformed"],
  ["$201\r\n", "too-large"],
  ["$99999999999999999999\r\n", "too-large"],
  [`+${"x".repeat(300)}`, "too-large"],
  [`*3\r\n$80\r\n${"x".repeat(80)}\r\n$80\r\n${"x".repeat(80)}\r\n$80\r\n`, "too-large"],
  ["*21\r\n", "too-large"],
  ["*2\r\n*10\r\n", "ok" as never],
  ["*10\r\n*11\r\n", "too-large"],
  ["%11\r\n", "too-large"],
  ["*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "too-deep"],
])("%j is refused, the same at every split", (wire, code) => {
  const { problem } = readEverySplit(wire);
  expect(problem?.code ?? "ok").toBe(code);
});

test("what comes behind a problem changes nothing, and values before it count", () => {
  const { values, problem } = readEverySplit(":1\r\n?\r\n:1\r\n");
  expect(values).toEqual([one]);
  expect(problem?.message).toBe('a line "?"');
});

test("a command is an array of bulk strings, whatever its words hold", () => {
  const command = encodeCommand(["SET", "k\r\n", Uint8Array.of(0, 255), "é"]);
  expect(Buffer.from(command).toString("latin1")).toBe(
    "*4\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$2\r\n\0\xff\r\n$2\r\n\xc3\xa9\r\n",
  );
});

// ---------------------------------------------------------------- properties

const textOf = fc.string({ unit: fc.constantFrom(..."ab:$*-1 \xff"), maxLength: 12 });
const errorOf = fc.string({ maxLength: 12, unit: fc.constantFrom(..."ER\r\n ") });
const hugeOf = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n });
const bytesOf = fc.uint8Array({ maxLength: 40 });
const safe = fc.maxSafeInteger().map((value) => (Object.is(value, -0) ? 0 : value));
const leaf: fc.Arbitrary<RespValue> = fc.oneof(
  textOf.map((value): RespValue => ({ type: "simple", value })),
  errorOf.map((value): RespValue => ({ type: "error", value })),
  safe.map((value): RespValue => ({ type: "integer", value })),
  hugeOf.map((value): RespValue => ({ type: "big", value })),
  bytesOf.map((value): RespValue => ({ type: "bulk", value })),
  fc.constant<RespValue>({ type: "null" }),
  fc.boolean().map((value): RespValue => ({ type: "boolean", value })),
  fc.double().map((value): RespValue => ({ type: "double", value })),
  bytesOf.map((value): RespValue => ({ type: "verbatim", format: "txt", value })),
);
const { value: anyValue } = fc.letrec<{ value: RespValue }>((tie) => {
  const items = fc.array(tie("value"), { maxLength: 4 });
  return {
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      items.map((items): RespValue => ({ type: "array", items })),
      items.map((items): RespValue => ({ type: "set", items })),
      items.map((items): RespValue => ({ type: "push", items })),
      items.map((all): RespValue => ({ type: "map", items: [...all, ...all] })),
    ),
  };
});

test("what is written is read again, in whatever pieces it comes", () => {
  const large: RespLimits = { maxDepth: 50, maxItems: 100_000, maxBytes: 10_000_000 };
  const some = fc.array(anyValue, { maxLength: 5 });
  fc.assert(
    fc.property(some, fc.infiniteStream(fc.nat(9)), (values, cuts) => {
      const wire = Buffer.concat(values.map(encodeValue));
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < wire.length; ) {
        const next = at + 1 + (cuts.next().value as number);
        pieces.push(wire.subarray(at, next));
        at = next;
      }
      expect(read(pieces, large)).toEqual({ values, problem: null });
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("bytes of chance never throw, and read the same in any pieces", () => {
  for (let seed = 1; seed <= 500; seed++) fuzzOnce(seed);
});
