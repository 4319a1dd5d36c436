import type { HeaderBlock } from "../codec/headers.ts";

/** Fields by lower-case name; several of one name joined by ", " (RFC 9110, 5.3). */
export type Headers = ReadonlyMap<string, string>;

/** A copy that outlives its message. */
export function copyHeaders(block: HeaderBlock): Headers {
  const headers = new Map<string, string>();
  block.forEach((name, value) => {
    const lower = name.toLowerCase();
    const before = headers.get(lower);
    headers.set(lower, before === undefined ? value : `${before}, ${value}`);
  });
  return headers;
}

/** A body that comes in pieces, up to a bound. */
export class BodyBuffer {
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(private readonly maxBytes: number) {}

  /** False where it would grow over its bound. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    this.#length += end - start;
    if (this.#length > this.maxBytes) return false;
    this.#parts.push(bytes.subarray(start, end));
    return true;
  }

  take(): Uint8Array {
    const whole = Buffer.concat(this.#parts, this.#length);
    this.#parts = [];
    this.#length = 0;
    return whole;
  }
}
