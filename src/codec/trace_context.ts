/**
 * Trace contexts in requests' headers: W3C Trace Context (level 2; `traceparent`, `tracestate`) and
 * Zipkin's B3, in one header (`b3`) or several (`x-b3-...`).
 */
import { HEX_VALUE, latin1 } from "./ascii.ts";
import { B3, type HeaderBlock, TRACEPARENT, TRACESTATE, X_B3_TRACEID } from "./headers.ts";

export type TraceFormat = "w3c" | "b3" | "b3-multi";

export const W3C = 1;
export const B3_SINGLE = 2;
export const B3_MULTI = 4;

export const ALL_FORMATS = W3C | B3_SINGLE | B3_MULTI;

export const TRACE_FORMAT_BITS: Readonly<Record<TraceFormat, number>> = {
  w3c: W3C,
  b3: B3_SINGLE,
  "b3-multi": B3_MULTI,
};

/** Nobody has decided yet whether the trace is kept: B3's deferred decision, or no trace at all. */
export const OPEN = 0;
export const SAMPLED = 1;
export const NOT_SAMPLED = 2;
export type Decision = typeof OPEN | typeof SAMPLED | typeof NOT_SAMPLED;

const TRACE_AT = 3;
const SPAN_AT = 36;
const FLAGS_AT = 53;
const LENGTH = 55;
const TRACE_LENGTH = 32;
const SPAN_LENGTH = 16;
const DASH = 45;
const ZERO = 48;
const LETTER_D = 100;
const RANDOM_FLAG = 2;
const HEX = new TextEncoder().encode("0123456789abcdef");
const NONE_SAMPLED = new TextEncoder().encode("0");
/** Whether a byte is a lower-case hexadecimal digit: no other is taken, in both notations. */
const LOWER_HEX = new Uint8Array(256);
for (const byte of HEX) LOWER_HEX[byte] = 1;

const B3_NAMES = ["x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"];

/**
 * One request's trace context as it came, or as it was made. Used again and again: reading and
 * making one allocate nothing, but for B3 in several headers.
 */
export class TraceContext {
  /** `00-TRACE-SPAN-FLAGS`, as traceparent has it, whatever notation it came in. */
  readonly bytes = new Uint8Array(LENGTH);
  /** Views of it for B3's header values: most never write them. */
  #views: ContextViews | null = null;
  /** Bits of the notations that it came in; others may be there too and say the same. */
  came = 0;
  decision: Decision = OPEN;
  /** It has ids: else only a decision came, or nothing. */
  hasIds = false;
  /** Its ids were made here. */
  #isNew = false;
  /** B3's debug flag: whoever set it wants this one trace whatever the rates say. */
  debug = false;
  /** The trace id came with 16 digits, as B3 allows. */
  isShort = false;

  constructor() {
    this.bytes.fill(ZERO);
    for (const at of [TRACE_AT - 1, SPAN_AT - 1, FLAGS_AT - 1]) this.bytes[at] = DASH;
  }

  /**
   * Reads what came. Headers that are malformed, and a tracestate without its traceparent, are
   * removed: the request is then as one without.
   * @param formats bits of the notations to look at
   */
  read(headers: HeaderBlock, formats: number): void {
    this.came = 0;
    this.decision = OPEN;
    this.hasIds = false;
    this.#isNew = false;
    this.debug = false;
    this.isShort = false;
    if ((formats & W3C) !== 0) this.#readW3c(headers);
    if ((formats & (B3_SINGLE | B3_MULTI)) === 0) return;
    if ((formats & B3_SINGLE) !== 0 && headers.has(B3)) this.#readSingle(headers);
    if ((formats & B3_MULTI) === 0) return;
    if (headers.has(X_B3_TRACEID)) this.#readMulti(headers);
    else if (this.came === 0) this.#readSampledAlone(headers);
    // Beside a whole context it could only contradict.
    else headers.remove("x-b3-sampled");
  }

  /** A new trace; a decision that came stands. @param random uniform 32 bits a call */
  create(random: { uint32(): number }): void {
    const { bytes } = this;
    for (let at = TRACE_AT; at < TRACE_AT + TRACE_LENGTH; at += 8) {
      writeHex(bytes, at, random.uint32());
    }
    writeHex(bytes, SPAN_AT, random.uint32());
    writeHex(bytes, SPAN_AT + 8, random.uint32());
    // All zeros is no id; neither is likely, and both would be refused by the next hop.
    if (allZero(bytes, TRACE_AT, TRACE_LENGTH)) bytes[TRACE_AT + TRACE_LENGTH - 1] = HEX[1]!;
    if (allZero(bytes, SPAN_AT, SPAN_LENGTH)) bytes[SPAN_AT + SPAN_LENGTH - 1] = HEX[1]!;
    bytes[FLAGS_AT] = ZERO;
    bytes[FLAGS_AT + 1] = ZERO;
    this.hasIds = true;
    this.#isNew = true;
  }

  /**
   * Where the trace id lies in [0, 1): its last 56 bits are what chance made (Trace Context level
   * 2, 3.2.2.5), the first 52 of them are what a number holds. All who know the id get the same.
   */
  get point(): number {
    const { bytes } = this;
    let high = 0;
    let low = 0;
    for (let at = 21; at < 27; at++) high = (high << 4) | HEX_VALUE[bytes[at]!]!;
    for (let at = 27; at < 34; at++) low = (low << 4) | HEX_VALUE[bytes[at]!]!;
    return (high * 2 ** 28 + (low >>> 0)) / 2 ** 52;
  }

  get traceId(): string {
    return latin1(this.bytes, TRACE_AT, TRACE_AT + TRACE_LENGTH);
  }

  get spanId(): string {
    return latin1(this.bytes, SPAN_AT, SPAN_AT + SPAN_LENGTH);
  }

  // -------------------------------------------------------------- writing

  /**
   * The headers of a request that is not sampled: what came stays, what is wanted and missing is
   * added, what came in a notation that is not wanted goes.
   * @param wanted bits of the notations that the next hop is to see
   */
  passUnsampled(headers: HeaderBlock, wanted: number): void {
    const { bytes, came } = this;
    bytes[FLAGS_AT] = ZERO;
    bytes[FLAGS_AT + 1] = HEX[HEX_VALUE[bytes[FLAGS_AT + 1]!]! & RANDOM_FLAG]!;
    const unwanted = came & ~wanted;
    if (unwanted !== 0) removeTrace(headers, unwanted);
    let missing = wanted & ~came;
    // B3 that came without a decision, or without ids, gets both.
    if ((this.decision === OPEN || this.#isNew) && (came & (B3_SINGLE | B3_MULTI)) !== 0) {
      removeTrace(headers, came & wanted & (B3_SINGLE | B3_MULTI));
      missing |= wanted & (B3_SINGLE | B3_MULTI);
    }
    if (missing === 0) return;
    if ((missing & W3C) !== 0) headers.appendBytes("traceparent", bytes);
    if ((missing & (B3_SINGLE | B3_MULTI)) === 0) return;
    const { traceId, spanId, unsampled } = (this.#views ??= viewsOf(bytes));
    if ((missing & B3_SINGLE) !== 0) headers.appendBytes("b3", unsampled);
    if ((missing & B3_MULTI) !== 0) {
      headers.appendBytes("x-b3-traceid", traceId);
      headers.appendBytes("x-b3-spanid", spanId);
      headers.appendBytes("x-b3-sampled", NONE_SAMPLED);
    }
  }

  /** The headers of a request whose next hop is a child of `spanId`, whose parent is `parentId`. */
  writeSampled(headers: HeaderBlock, wanted: number, spanId: string, parentId: string | null): void {
    const unwanted = this.came & ~wanted;
    if (unwanted !== 0) removeTrace(headers, unwanted);
    const { traceId } = this;
    if ((wanted & W3C) !== 0) {
      const flags = (HEX_VALUE[this.bytes[FLAGS_AT + 1]!]! & RANDOM_FLAG) | 1;
      headers.set("traceparent", `00-${traceId}-${spanId}-0${flags}`);
    }
    const b3TraceId = this.isShort ? traceId.slice(SPAN_LENGTH) : traceId;
    if ((wanted & B3_SINGLE) !== 0) {
      const sampling = this.debug ? "d" : "1";
      const parent = parentId === null ? "" : `-${parentId}`;
      headers.set("b3", `${b3TraceId}-${spanId}-${sampling}${parent}`);
    }
    if ((wanted & B3_MULTI) !== 0) {
      removeTrace(headers, B3_MULTI);
      headers.append("x-b3-traceid", b3TraceId);
      headers.append("x-b3-spanid", spanId);
      if (parentId !== null) headers.append("x-b3-parentspanid", parentId);
      if (this.debug) headers.append("x-b3-flags", "1");
      else headers.append("x-b3-sampled", "1");
    }
  }

  // -------------------------------------------------------------- reading

  #readW3c(headers: HeaderBlock): void {
    if (!headers.has(TRACEPARENT)) {
      if (headers.has(TRACESTATE)) headers.remove("tracestate");
      return;
    }
    const start = headers.knownStart(TRACEPARENT);
    const end = headers.knownEnd(TRACEPARENT);
    const isOne = (headers.repeated & (1 << TRACEPARENT)) === 0;
    if (!isOne || !isTraceparent(headers.bytes, start, end)) {
      removeTrace(headers, W3C);
      return;
    }
    this.#takeIds(headers.bytes, start + TRACE_AT, TRACE_LENGTH, start + SPAN_AT);
    const flags = HEX_VALUE[headers.bytes[start + FLAGS_AT + 1]!]!;
    this.bytes[FLAGS_AT + 1] = HEX[flags & RANDOM_FLAG]!;
    this.decision = (flags & 1) === 1 ? SAMPLED : NOT_SAMPLED;
    this.came = W3C;
  }

  /** `TRACE-SPAN`, `TRACE-SPAN-SAMPLING`, `TRACE-SPAN-SAMPLING-PARENT` or `SAMPLING`. */
  #readSingle(headers: HeaderBlock): void {
    const { bytes } = headers;
    const start = headers.knownStart(B3);
    const end = headers.knownEnd(B3);
    if ((headers.repeated & (1 << B3)) !== 0) return removeTrace(headers, B3_SINGLE);
    if (end - start === 1) {
      const decision = b3Decision(bytes[start]!);
      if (decision === OPEN) return removeTrace(headers, B3_SINGLE);
      this.#decide(B3_SINGLE, decision, bytes[start] === LETTER_D);
      return;
    }
    const traceLength = bytes[start + SPAN_LENGTH] === DASH ? SPAN_LENGTH : TRACE_LENGTH;
    const spanAt = start + traceLength + 1;
    const more = spanAt + SPAN_LENGTH;
    const isWhole =
      more <= end &&
      bytes[spanAt - 1] === DASH &&
      isId(bytes, start, traceLength) &&
      isId(bytes, spanAt, SPAN_LENGTH) &&
      isB3Tail(bytes, more, end);
    if (!isWhole) return removeTrace(headers, B3_SINGLE);
    const first = this.came === 0;
    if (first) this.#takeIds(bytes, start, traceLength, spanAt);
    const decision = more === end ? OPEN : b3Decision(bytes[more + 1]!);
    this.#decide(B3_SINGLE, decision, more !== end && bytes[more + 1] === LETTER_D);
  }

  #readMulti(headers: HeaderBlock): void {
    const trace = valueBytes(headers.get("x-b3-traceid"));
    const span = valueBytes(headers.get("x-b3-spanid"));
    const isWhole =
      (trace.length === TRACE_LENGTH || trace.length === SPAN_LENGTH) &&
      span.length === SPAN_LENGTH &&
      isId(trace, 0, trace.length) &&
      isId(span, 0, SPAN_LENGTH);
    const sampled = multiDecision(headers.get("x-b3-sampled"));
    if (!isWhole || sampled === null) return removeTrace(headers, B3_MULTI);
    if (this.came === 0) {
      this.#takeIds(trace, 0, trace.length, -1);
      this.bytes.set(span, SPAN_AT);
    }
    const debug = headers.get("x-b3-flags") === "1";
    this.#decide(B3_MULTI, debug ? SAMPLED : sampled, debug);
  }

  /** B3 allows a decision before there is a trace. */
  #readSampledAlone(headers: HeaderBlock): void {
    const sampled = headers.get("x-b3-sampled");
    if (sampled === null) return;
    const decision = multiDecision(sampled);
    if (decision === null) return removeTrace(headers, B3_MULTI);
    this.#decide(B3_MULTI, decision, false);
  }

  /** What came first counts. */
  #decide(format: number, decision: Decision, debug: boolean): void {
    if (this.came === 0) {
      this.decision = decision;
      this.debug = debug;
    }
    this.came |= format;
  }

  /** Shorter trace ids get zeros in front, as B3 says. `spanAt` -1: the span id follows. */
  #takeIds(from: Uint8Array, traceAt: number, traceLength: number, spanAt: number): void {
    const { bytes } = this;
    let at = TRACE_AT;
    for (let zeros = TRACE_LENGTH - traceLength; zeros > 0; zeros--) bytes[at++] = ZERO;
    for (let index = 0; index < traceLength; index++) bytes[at++] = from[traceAt + index]!;
    if (spanAt >= 0) {
      for (let index = 0; index < SPAN_LENGTH; index++) bytes[SPAN_AT + index] = from[spanAt + index]!;
    }
    bytes[FLAGS_AT] = ZERO;
    bytes[FLAGS_AT + 1] = ZERO;
    this.isShort = traceLength === SPAN_LENGTH;
    this.hasIds = true;
  }
}

interface ContextViews {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  /** Both ids and the upper digit of the flags, a 0: that is B3 for "not sampled". */
  readonly unsampled: Uint8Array;
}

function viewsOf(bytes: Uint8Array): ContextViews {
  return {
    traceId: bytes.subarray(TRACE_AT, TRACE_AT + TRACE_LENGTH),
    spanId: bytes.subarray(SPAN_AT, SPAN_AT + SPAN_LENGTH),
    unsampled: bytes.subarray(TRACE_AT, FLAGS_AT + 1),
  };
}

/** 16 digits, never all zeros. */
export function createSpanId(random: { uint32(): number }): string {
  const high = random.uint32();
  const low = random.uint32();
  const text = high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
  return text === "0000000000000000" ? "0000000000000001" : text;
}

function removeTrace(headers: HeaderBlock, formats: number): void {
  if ((formats & W3C) !== 0) {
    headers.remove("traceparent");
    headers.remove("tracestate");
  }
  if ((formats & B3_SINGLE) !== 0) headers.remove("b3");
  if ((formats & B3_MULTI) !== 0) for (const name of B3_NAMES) headers.remove(name);
}

/** `VERSION-TRACE-SPAN-FLAGS`; versions after 00 may say more behind a dash. */
function isTraceparent(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < LENGTH) return false;
  const isFirst = bytes[start] === ZERO && bytes[start + 1] === ZERO;
  if (length !== LENGTH && (isFirst || bytes[start + LENGTH] !== DASH)) return false;
  for (const at of [TRACE_AT - 1, SPAN_AT - 1, FLAGS_AT - 1]) {
    if (bytes[start + at] !== DASH) return false;
  }
  if (!isLowerHex(bytes, start, 2) || !isLowerHex(bytes, start + FLAGS_AT, 2)) return false;
  // Version ff is none.
  if (bytes[start] === HEX[15] && bytes[start + 1] === HEX[15]) return false;
  return isId(bytes, start + TRACE_AT, TRACE_LENGTH) && isId(bytes, start + SPAN_AT, SPAN_LENGTH);
}

/** Nothing, `-SAMPLING` or `-SAMPLING-PARENT`. */
function isB3Tail(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length === 0) return true;
  if (length < 2 || bytes[start] !== DASH || b3Decision(bytes[start + 1]!) === OPEN) return false;
  if (length === 2) return true;
  const isWhole = length === 3 + SPAN_LENGTH && bytes[start + 2] === DASH;
  return isWhole && isLowerHex(bytes, start + 3, SPAN_LENGTH);
}

function b3Decision(byte: number): Decision {
  if (byte === ZERO) return NOT_SAMPLED;
  return byte === ZERO + 1 || byte === LETTER_D ? SAMPLED : OPEN;
}

/** Null for what is none; older senders wrote words. */
function multiDecision(value: string | null): Decision | null {
  if (value === null) return OPEN;
  if (value === "1" || value === "true") return SAMPLED;
  return value === "0" || value === "false" ? NOT_SAMPLED : null;
}

function isId(bytes: Uint8Array, start: number, length: number): boolean {
  return isLowerHex(bytes, start, length) && !allZero(bytes, start, length);
}

function isLowerHex(bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at++) if (LOWER_HEX[bytes[at]!] !== 1) return false;
  return true;
}

function allZero(bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at++) if (bytes[at] !== ZERO) return false;
  return true;
}

function writeHex(into: Uint8Array, at: number, word: number): void {
  for (let shift = 24; shift >= 0; shift -= 8) {
    const byte = (word >>> shift) & 255;
    into[at++] = HEX[byte >>> 4]!;
    into[at++] = HEX[byte & 15]!;
  }
}

function valueBytes(value: string | null): Uint8Array {
  return Buffer.from(value ?? "", "latin1");
}
