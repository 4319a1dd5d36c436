import { FIELD_VALUE, latin1, listItems, TOKEN_LOWER } from "./ascii.ts";
import type { ByteWriter } from "./byte_writer.ts";

/**
 * Names that the data plane itself looks at. A block remembers where each stands, so that asking
 * for one costs no search. At most 31: their presence is a bit in an integer.
 */
export const KNOWN_NAMES = [
  "",
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "expect",
  "te",
  "trailer",
  "keep-alive",
  "proxy-connection",
  "x-request-id",
  "traceparent",
  "tracestate",
  "x-forwarded-for",
  "x-forwarded-proto",
  "content-type",
  "content-encoding",
  "date",
  "server",
  "retry-after",
  "cookie",
  "authorization",
  "user-agent",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-real-ip",
  "forwarded",
  "x-forwarded-client-cert",
  "b3",
  "x-b3-traceid",
] as const;

export const HOST = 1;
export const CONNECTION = 2;
export const CONTENT_LENGTH = 3;
export const TRANSFER_ENCODING = 4;
export const UPGRADE = 5;
export const EXPECT = 6;
export const TE = 7;
export const TRAILER = 8;
export const KEEP_ALIVE = 9;
export const PROXY_CONNECTION = 10;
export const X_REQUEST_ID = 11;
export const TRACEPARENT = 12;
export const TRACESTATE = 13;
export const X_FORWARDED_FOR = 14;
export const X_FORWARDED_PROTO = 15;
export const COOKIE = 21;
export const USER_AGENT = 23;
export const X_FORWARDED_HOST = 24;
export const X_FORWARDED_PORT = 25;
export const X_REAL_IP = 26;
export const FORWARDED = 27;
export const X_FORWARDED_CLIENT_CERT = 28;
export const B3 = 29;
export const X_B3_TRACEID = 30;

/** Meaningful for one connection only (RFC 9110, 7.6.1); framing is written anew. */
export const HOP_BY_HOP =
  (1 << CONNECTION) |
  (1 << TRANSFER_ENCODING) |
  (1 << UPGRADE) |
  (1 << TE) |
  (1 << TRAILER) |
  (1 << KEEP_ALIVE) |
  (1 << PROXY_CONNECTION);

/**
 * A Connection header may not name these away: framing and routing hang on the first two, the
 * others never reach the next hop anyway, and the encoder still looks at them.
 */
const NEVER_NOMINATED = (1 << HOST) | (1 << CONTENT_LENGTH) | HOP_BY_HOP;

const TABLE_SIZE = 256;
const KNOWN_BY_HASH = new Uint8Array(TABLE_SIZE);
const KNOWN_IDS = new Map<string, number>(KNOWN_NAMES.map((name, id) => [name, id]));
const KNOWN_BYTES = KNOWN_NAMES.map((name) => new TextEncoder().encode(name));

/** The hash that `HeaderBlock.add` expects: over the lower-case bytes of the name. */
export function hashName(name: string): number {
  let hash = 0;
  for (let at = 0; at < name.length; at++) {
    hash = (Math.imul(hash, 31) + TOKEN_LOWER[name.charCodeAt(at) & 255]!) | 0;
  }
  return hash;
}

for (let id = 1; id < KNOWN_NAMES.length; id++) {
  let slot = hashName(KNOWN_NAMES[id]!) & (TABLE_SIZE - 1);
  while (KNOWN_BY_HASH[slot] !== 0) slot = (slot + 1) & (TABLE_SIZE - 1);
  KNOWN_BY_HASH[slot] = id;
}

function knownId(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let slot = hash & (TABLE_SIZE - 1);
  for (let id = KNOWN_BY_HASH[slot]!; id !== 0; id = KNOWN_BY_HASH[slot]!) {
    if (sameName(KNOWN_BYTES[id]!, bytes, start, end)) return id;
    slot = (slot + 1) & (TABLE_SIZE - 1);
  }
  return 0;
}

function sameName(lower: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (lower.length !== end - start) return false;
  for (let at = 0; at < lower.length; at++) {
    if (TOKEN_LOWER[bytes[start + at]!] !== lower[at]) return false;
  }
  return true;
}

const EMPTY = new Uint8Array(0);
/** Numbers a header: name start, name end, value start, value end, line end. */
const FIELDS = 5;
const REMOVED = 128;
const FIRST_CAPACITY = 16;

/**
 * Header fields as they arrived: one byte array and where each name and value lies in it. Nothing
 * is decoded until someone asks. Edits are kept beside: removed lines are marked, new ones are
 * appended.
 * Made for one message after the other; `reset` keeps the arrays.
 */
export class HeaderBlock {
  bytes: Uint8Array = EMPTY;
  count = 0;
  /** Bit n is set where the known name n is present (and not removed). */
  present = 0;
  /** Bit n is set where the known name n came more than once. */
  repeated = 0;
  #places = new Int32Array(FIELDS * FIRST_CAPACITY);
  #known = new Uint8Array(FIRST_CAPACITY);
  #first = new Uint8Array(KNOWN_NAMES.length);
  #addedNames: string[] = [];
  #addedValues: (string | Uint8Array)[] = [];

  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.count = 0;
    this.present = 0;
    this.repeated = 0;
    if (this.#addedNames.length !== 0) {
      this.#addedNames.length = 0;
      this.#addedValues.length = 0;
    }
  }

  /** For the codec: a field that lies in `bytes`. `hash` is over the lower-case name. */
  place(
    hash: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    lineEnd: number,
  ): number {
    const index = this.count++;
    if (index === this.#known.length) this.#grow();
    const at = index * FIELDS;
    const places = this.#places;
    places[at] = nameStart;
    places[at + 1] = nameEnd;
    places[at + 2] = valueStart;
    places[at + 3] = valueEnd;
    places[at + 4] = lineEnd;
    const id = knownId(hash, this.bytes, nameStart, nameEnd);
    this.#known[index] = id;
    if (id !== 0) {
      const bit = 1 << id;
      if ((this.present & bit) !== 0) this.repeated |= bit;
      else {
        this.present |= bit;
        this.#first[id] = index < 255 ? index : 255;
      }
    }
    return id;
  }

  #grow(): void {
    const places = new Int32Array(this.#places.length * 2);
    places.set(this.#places);
    this.#places = places;
    const known = new Uint8Array(this.#known.length * 2);
    known.set(this.#known);
    this.#known = known;
  }

  has(id: number): boolean {
    return (this.present & (1 << id)) !== 0;
  }

  /** The first value of a known name that arrived (edits excepted), or null. */
  known(id: number): string | null {
    if ((this.present & (1 << id)) === 0) return null;
    const at = this.#indexOfKnown(id) * FIELDS;
    return latin1(this.bytes, this.#places[at + 2]!, this.#places[at + 3]!);
  }

  /** Where the first value of a known name starts and ends in `bytes`; only where `has(id)`. */
  knownStart(id: number): number {
    return this.#places[this.#indexOfKnown(id) * FIELDS + 2]!;
  }

  knownEnd(id: number): number {
    return this.#places[this.#indexOfKnown(id) * FIELDS + 3]!;
  }

  #indexOfKnown(id: number): number {
    const first = this.#first[id]!;
    if (first < 255 && this.#known[first] === id) return first;
    // Behind the 255th line, or the first one was removed.
    for (let index = 0; index < this.count; index++) if (this.#known[index] === id) return index;
    return 0;
  }

  /** All values of a name in order, joined by ", " as RFC 9110, 5.3 allows; null where none is. */
  get(name: string): string | null {
    let value: string | null = null;
    const lower = name.toLowerCase();
    for (let index = 0; index < this.count; index++) {
      if (!this.#isNamed(index, lower)) continue;
      const at = index * FIELDS;
      const text = latin1(this.bytes, this.#places[at + 2]!, this.#places[at + 3]!);
      value = value === null ? text : `${value}, ${text}`;
    }
    for (let index = 0; index < this.#addedNames.length; index++) {
      if (this.#addedNames[index] !== lower) continue;
      const text = textOf(this.#addedValues[index]!);
      value = value === null ? text : `${value}, ${text}`;
    }
    return value;
  }

  #isNamed(index: number, lower: string): boolean {
    if ((this.#known[index]! & REMOVED) !== 0) return false;
    const start = this.#places[index * FIELDS]!;
    if (this.#places[index * FIELDS + 1]! - start !== lower.length) return false;
    for (let at = 0; at < lower.length; at++) {
      if (TOKEN_LOWER[this.bytes[start + at]!] !== lower.charCodeAt(at)) return false;
    }
    return true;
  }

  /** Calls `visit` with each field in order, names as they were written. */
  forEach(visit: (name: string, value: string) => void): void {
    for (let index = 0; index < this.count; index++) {
      if ((this.#known[index]! & REMOVED) !== 0) continue;
      const at = index * FIELDS;
      visit(
        latin1(this.bytes, this.#places[at]!, this.#places[at + 1]!),
        latin1(this.bytes, this.#places[at + 2]!, this.#places[at + 3]!),
      );
    }
    for (let index = 0; index < this.#addedNames.length; index++) {
      visit(this.#addedNames[index]!, textOf(this.#addedValues[index]!));
    }
  }

  /** Of the name of the line that arrived last so many bytes at most; null where there is none. */
  lastName(most: number): string | null {
    if (this.count === 0) return null;
    const at = (this.count - 1) * FIELDS;
    const start = this.#places[at]!;
    return latin1(this.bytes, start, Math.min(this.#places[at + 1]!, start + most));
  }

  /** Removes every field of that name. */
  remove(name: string): void {
    const lower = name.toLowerCase();
    for (let index = 0; index < this.count; index++) {
      if (!this.#isNamed(index, lower)) continue;
      const id = this.#known[index]!;
      this.present &= ~(1 << id);
      this.repeated &= ~(1 << id);
      this.#known[index] = REMOVED;
    }
    for (let index = this.#addedNames.length - 1; index >= 0; index--) {
      if (this.#addedNames[index] !== lower) continue;
      this.#addedNames.splice(index, 1);
      this.#addedValues.splice(index, 1);
    }
  }

  /** @throws Error where name or value could not stand in a header (a bug in the caller). */
  set(name: string, value: string): void {
    this.remove(name);
    this.append(name, value);
  }

  append(name: string, value: string): void {
    assertField(name, value);
    this.#addedNames.push(name.toLowerCase());
    this.#addedValues.push(value);
  }

  /** `append` for the hot path: `name` lower case; `value` stays the caller's and is valid. */
  appendBytes(name: string, value: Uint8Array): void {
    this.#addedNames.push(name);
    this.#addedValues.push(value);
  }

  /** True where a field of that name (lower case) was set or appended here. */
  isAdded(name: string): boolean {
    return this.#addedNames.includes(name);
  }

  /** Removes what the Connection header names (RFC 9110, 7.6.1). */
  removeNominated(): void {
    const value = this.get("connection");
    if (value === null) return;
    for (const name of listItems(value)) {
      const id = KNOWN_IDS.get(name);
      if (id !== undefined && (NEVER_NOMINATED & (1 << id)) !== 0) continue;
      this.remove(name);
    }
  }

  /** An upper bound of what `write` produces. */
  get byteLength(): number {
    // From the first name to the end of the last line: other messages may lie before it.
    const places = this.#places;
    let length = this.count === 0 ? 0 : places[(this.count - 1) * FIELDS + 4]! - places[0]!;
    for (let index = 0; index < this.#addedNames.length; index++) {
      length += this.#addedNames[index]!.length + this.#addedValues[index]!.length + 4;
    }
    return length;
  }

  /**
   * Writes each field as a line, those known ones left out whose bit is in `without`. An added Host
   * is always written: whoever set it has decided.
   */
  write(out: ByteWriter, without: number): void {
    const places = this.#places;
    const known = this.#known;
    // Neighbours that stay are copied as one run: most heads are one or two copies.
    let runStart = -1;
    let runEnd = -1;
    for (let index = 0; index < this.count; index++) {
      const id = known[index]!;
      if (id === REMOVED || (id !== 0 && (without & (1 << id)) !== 0)) continue;
      const start = places[index * FIELDS]!;
      if (start !== runEnd) {
        if (runStart >= 0) out.copy(this.bytes, runStart, runEnd);
        runStart = start;
      }
      runEnd = places[index * FIELDS + 4]!;
    }
    if (runStart >= 0) out.copy(this.bytes, runStart, runEnd);
    const withoutAdded = without & ~(1 << HOST);
    for (let index = 0; index < this.#addedNames.length; index++) {
      const name = this.#addedNames[index]!;
      if (withoutAdded !== 0 && isLeftOut(name, withoutAdded)) continue;
      out.text(name);
      out.text(": ");
      const value = this.#addedValues[index]!;
      if (typeof value === "string") out.text(value);
      else out.copy(value, 0, value.length);
      out.text("\r\n");
    }
  }
}

function isLeftOut(name: string, without: number): boolean {
  const id = KNOWN_IDS.get(name);
  return id !== undefined && (without & (1 << id)) !== 0;
}

function textOf(value: string | Uint8Array): string {
  return typeof value === "string" ? value : latin1(value, 0, value.length);
}

/** True where the text can be a header's name. */
export function isFieldName(name: string): boolean {
  if (name === "") return false;
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code > 127 || TOKEN_LOWER[code] === 0) return false;
  }
  return true;
}

/** True where the text can be a header's value: no control character, no character above U+00FF. */
export function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code > 255 || FIELD_VALUE[code] === 0) return false;
  }
  return true;
}

function assertField(name: string, value: string): void {
  if (!isFieldName(name)) throw new Error(`bug: ${JSON.stringify(name)} is not a header's name`);
  if (!isFieldValue(value)) {
    throw new Error(`bug: ${JSON.stringify(value)} is not a value for the header ${name}`);
  }
}
