/**
 * RESP, the Redis protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/): version
 * 2 and what version 3 adds to what a server sends. Bytes in, values out. Streamed strings and
 * aggregates, which no server sends, are refused.
 */
import { CR, LF, latin1 } from "./ascii.ts";

export type RespValue =
  | { readonly type: "simple"; readonly value: string }
  /** `-`, and `!` of RESP3. */
  | { readonly type: "error"; readonly value: string }
  /** A bigint where a number would not be exact. */
  | { readonly type: "integer"; readonly value: number | bigint }
  | { readonly type: "bulk"; readonly value: Uint8Array }
  /** `_` of RESP3, and the bulk and the array of length -1 of RESP2. */
  | { readonly type: "null" }
  | { readonly type: "array"; readonly items: readonly RespValue[] }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "big"; readonly value: bigint }
  /** `format` has three characters, `txt` or `mkd`. */
  | { readonly type: "verbatim"; readonly format: string; readonly value: Uint8Array }
  /** Keys and values in turn: a key may be of any type. */
  | { readonly type: "map"; readonly items: readonly RespValue[] }
  | { readonly type: "set"; readonly items: readonly RespValue[] }
  /** Comes unasked: no answer to a command. */
  | { readonly type: "push"; readonly items: readonly RespValue[] };

/** Of one value with all that is in it. */
export interface RespLimits {
  readonly maxDepth: number;
  readonly maxItems: number;
  readonly maxBytes: number;
}

/** The stream cannot be read any further: the connection has to be closed. */
export interface RespProblem {
  readonly code: "malformed" | "too-deep" | "too-large";
  readonly message: string;
}

export interface RespSink {
  onValue(value: RespValue): void;
}

/** What lies inside an aggregate that is not whole yet. */
interface Frame {
  readonly type: "array" | "map" | "set" | "push" | "attribute";
  readonly items: RespValue[];
  readonly size: number;
}

const DOLLAR = 36;
const BANG = 33;
const EQUALS = 61;
/** What a line holds that is no payload: a type and a length. */
const MAX_LENGTH_DIGITS = 10;
const AGGREGATES: Readonly<Record<string, Frame["type"]>> = {
  "*": "array",
  "%": "map",
  "~": "set",
  ">": "push",
  "|": "attribute",
};

/**
 * Reads values from bytes that come in any pieces. What is kept is never more than the limits
 * allow: a length is refused when it is announced, before anything is reserved for it.
 */
export class RespDecoder {
  readonly #limits: RespLimits;
  readonly #sink: RespSink;
  #frames: Frame[] = [];
  /** Of the value in hand. */
  #bytes = 0;
  #items = 0;
  /** A line that is not whole yet. */
  #line = "";
  #sawCr = false;
  /** The payload in hand; null between payloads. */
  #payload: Uint8Array | null = null;
  #payloadType = 0;
  #filled = 0;
  /** Bytes of the CRLF behind a payload that have come. */
  #tail = 0;
  #problem: RespProblem | null = null;

  constructor(limits: RespLimits, sink: RespSink) {
    this.#limits = limits;
    this.#sink = sink;
  }

  /** Nothing of a value has come yet. */
  get isBetweenValues(): boolean {
    return this.#bytes === 0;
  }

  /** A problem is final: it comes again whatever is fed. */
  feed(bytes: Uint8Array): RespProblem | null {
    let at = 0;
    while (at < bytes.length && this.#problem === null) {
      at = this.#payload === null ? this.#readLine(bytes, at) : this.#readPayload(bytes, at);
    }
    return this.#problem;
  }

  #fail(code: RespProblem["code"], message: string): void {
    this.#problem ??= { code, message };
  }

  #readLine(bytes: Uint8Array, start: number): number {
    let end = start;
    while (end < bytes.length && bytes[end] !== CR && bytes[end] !== LF) end++;
    if (this.#sawCr && (end > start || bytes[end] !== LF)) {
      this.#fail("malformed", "a CR without an LF");
      return end;
    }
    const isWhole = end < bytes.length;
    this.#bytes += end - start + (isWhole ? 1 : 0);
    if (this.#bytes > this.#limits.maxBytes) {
      this.#fail("too-large", `a value of more than ${this.#limits.maxBytes} bytes`);
      return end;
    }
    this.#line += latin1(bytes, start, end);
    if (!isWhole) return end;
    if (bytes[end] === CR) {
      this.#sawCr = true;
      return end + 1;
    }
    if (!this.#sawCr) {
      this.#fail("malformed", "an LF without a CR");
      return end;
    }
    const line = this.#line;
    this.#line = "";
    this.#sawCr = false;
    this.#takeLine(line);
    return end + 1;
  }

  #takeLine(line: string): void {
    const type = line.charAt(0);
    const rest = line.slice(1);
    if (type === "$" || type === "!" || type === "=") return this.#startPayload(line);
    const aggregate = AGGREGATES[type];
    if (aggregate !== undefined) return this.#startAggregate(aggregate, rest);
    const value = plainValue(type, rest);
    if (value === null) this.#fail("malformed", `a line ${JSON.stringify(line.slice(0, 64))}`);
    else this.#give(value);
  }

  /** A length, -1 for the null of RESP2, null with a problem. */
  #length(text: string, mayBeNull: boolean): number | null {
    if (mayBeNull && text === "-1") return -1;
    if (/^[0-9]+$/.test(text)) {
      if (text.length <= MAX_LENGTH_DIGITS) return Number(text);
      this.#fail("too-large", `a length of ${text.length} digits`);
    } else {
      this.#fail("malformed", `a length ${JSON.stringify(text.slice(0, 64))}`);
    }
    return null;
  }

  #startPayload(line: string): void {
    const length = this.#length(line.slice(1), line.startsWith("$"));
    if (length === null) return;
    if (length < 0) return this.#give({ type: "null" });
    // The CRLF behind it counts too.
    this.#bytes += length + 2;
    if (this.#bytes > this.#limits.maxBytes) {
      return this.#fail("too-large", `a value of more than ${this.#limits.maxBytes} bytes`);
    }
    this.#payload = new Uint8Array(length);
    this.#payloadType = line.charCodeAt(0);
    this.#filled = 0;
    this.#tail = 0;
  }

  #readPayload(bytes: Uint8Array, start: number): number {
    const payload = this.#payload!;
    const taken = Math.min(payload.length - this.#filled, bytes.length - start);
    payload.set(bytes.subarray(start, start + taken), this.#filled);
    this.#filled += taken;
    let at = start + taken;
    if (this.#filled < payload.length) return at;
    for (; this.#tail < 2 && at < bytes.length; at++, this.#tail++) {
      if (bytes[at] === (this.#tail === 0 ? CR : LF)) continue;
      this.#fail("malformed", "a string is longer than it was said to be");
      return at;
    }
    if (this.#tail < 2) return at;
    this.#payload = null;
    this.#givePayload(payload);
    return at;
  }

  #givePayload(payload: Uint8Array): void {
    if (this.#payloadType === DOLLAR) return this.#give({ type: "bulk", value: payload });
    if (this.#payloadType === BANG) {
      return this.#give({ type: "error", value: latin1(payload, 0, payload.length) });
    }
    const format = latin1(payload, 0, Math.min(3, payload.length));
    if (this.#payloadType === EQUALS && payload.length >= 4 && payload[3] === COLON) {
      return this.#give({ type: "verbatim", format, value: payload.subarray(4) });
    }
    this.#fail("malformed", "a verbatim string without its format");
  }

  #startAggregate(type: Frame["type"], rest: string): void {
    const length = this.#length(rest, type === "array");
    if (length === null) return;
    if (length < 0) return this.#give({ type: "null" });
    const size = type === "map" || type === "attribute" ? 2 * length : length;
    this.#items += size;
    const { maxItems, maxDepth } = this.#limits;
    if (this.#items > maxItems) return this.#fail("too-large", `more than ${maxItems} items`);
    if (this.#frames.length >= maxDepth) {
      return this.#fail("too-deep", `more than ${maxDepth} levels`);
    }
    this.#frames.push({ type, items: [], size });
    if (size === 0) this.#close();
  }

  /** The innermost aggregate is whole. */
  #close(): void {
    const { type, items } = this.#frames.pop()!;
    // Beside the value that follows, and for nobody.
    if (type !== "attribute") this.#give({ type, items });
  }

  #give(value: RespValue): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) {
      this.#bytes = 0;
      this.#items = 0;
      this.#sink.onValue(value);
      return;
    }
    frame.items.push(value);
    if (frame.items.length === frame.size) this.#close();
  }
}

const COLON = 58;

/** What stands in one line; null where it is none of them. */
function plainValue(type: string, text: string): RespValue | null {
  switch (type) {
    case "+":
      return { type: "simple", value: text };
    case "-":
      return { type: "error", value: text };
    case ":":
      return /^[+-]?[0-9]{1,19}$/.test(text) ? { type: "integer", value: exact(text) } : null;
    case "_":
      return text === "" ? { type: "null" } : null;
    case "#":
      return text === "t" || text === "f" ? { type: "boolean", value: text === "t" } : null;
    case ",":
      return doubleValue(text);
    case "(":
      return /^[+-]?[0-9]+$/.test(text) ? { type: "big", value: whole(text) } : null;
    default:
      return null;
  }
}

function doubleValue(text: string): RespValue | null {
  const named = { inf: Infinity, "-inf": -Infinity, nan: NaN, "-nan": NaN }[text];
  if (named !== undefined) return { type: "double", value: named };
  if (!/^[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?$/.test(text)) return null;
  return { type: "double", value: Number(text) };
}

function exact(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : whole(text);
}

/** `BigInt` knows no plus sign. */
function whole(text: string): bigint {
  return BigInt(text.startsWith("+") ? text.slice(1) : text);
}

// ---------------------------------------------------------------- writing

/** A command: an array of bulk strings. A text is written as UTF-8. */
export function encodeCommand(words: readonly (string | Uint8Array)[]): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) addBulk(parts, "$", word);
  return Buffer.concat(parts);
}

/** As a server of RESP3 writes it. */
export function encodeValue(value: RespValue): Uint8Array {
  const parts: Uint8Array[] = [];
  addValue(parts, value);
  return Buffer.concat(parts);
}

function addValue(parts: Uint8Array[], value: RespValue): void {
  const line = (text: string) => parts.push(Buffer.from(`${text}\r\n`, "latin1"));
  switch (value.type) {
    case "simple":
      return void line(`+${value.value}`);
    case "error":
      // A line break would end it: the long form has none to fear.
      if (!/[\r\n]/.test(value.value)) return void line(`-${value.value}`);
      return addBulk(parts, "!", Buffer.from(value.value, "latin1"));
    case "integer":
      return void line(`:${value.value}`);
    case "big":
      return void line(`(${value.value}`);
    case "null":
      return void line("_");
    case "boolean":
      return void line(value.value ? "#t" : "#f");
    case "double":
      return void line(`,${doubleText(value.value)}`);
    case "bulk":
      return addBulk(parts, "$", value.value);
    case "verbatim":
      return addBulk(parts, "=", Buffer.concat([Buffer.from(`${value.format}:`), value.value]));
    default: {
      const { type, items } = value;
      const size = type === "map" ? items.length / 2 : items.length;
      line(`${{ array: "*", map: "%", set: "~", push: ">" }[type]}${size}`);
      for (const item of items) addValue(parts, item);
    }
  }
}

function addBulk(parts: Uint8Array[], type: string, word: string | Uint8Array): void {
  const bytes = typeof word === "string" ? Buffer.from(word) : word;
  parts.push(Buffer.from(`${type}${bytes.length}\r\n`), bytes, CRLF);
}

const CRLF = Buffer.from("\r\n");

function doubleText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  return value > 0 ? "inf" : "-inf";
}
