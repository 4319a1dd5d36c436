import { listItems, TOKEN_LOWER } from "../ascii.ts";
import {
  CONNECTION,
  CONTENT_LENGTH,
  type HeaderBlock,
  TRANSFER_ENCODING,
} from "../headers.ts";

/** Digits of a Content-Length: 10^15 bytes is more than any body, and exact in a double. */
const MAX_LENGTH_DIGITS = 15;

/** The Content-Length (RFC 9110, 8.6), or -1 where it is not one plain number. */
export function contentLengthOf(headers: HeaderBlock): number {
  if ((headers.repeated & (1 << CONTENT_LENGTH)) !== 0) return -1;
  const bytes = headers.bytes;
  const start = headers.knownStart(CONTENT_LENGTH);
  const end = headers.knownEnd(CONTENT_LENGTH);
  if (end === start || end - start > MAX_LENGTH_DIGITS) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** `chunked` alone is understood; every other coding ends before it or is unknown to us. */
export function isChunkedAlone(headers: HeaderBlock): boolean {
  if ((headers.repeated & (1 << TRANSFER_ENCODING)) !== 0) return false;
  return headers.known(TRANSFER_ENCODING)!.toLowerCase() === "chunked";
}

export const CLOSE = 1;
export const KEEP = 2;
export const UPGRADE_OPTION = 4;
/** Names headers to remove. */
export const NOMINATES = 8;

/** The options of the Connection header (RFC 9110, 7.6.1) as bits; 0 where there is none. */
export function connectionOptions(headers: HeaderBlock): number {
  if (!headers.has(CONNECTION)) return 0;
  if ((headers.repeated & (1 << CONNECTION)) === 0) {
    // The two usual values, without a string: most answers carry one.
    if (isKnownValue(headers, CONNECTION, KEEP_ALIVE_VALUE)) return KEEP;
    if (isKnownValue(headers, CONNECTION, CLOSE_VALUE)) return CLOSE;
  }
  let options = 0;
  for (const name of listItems(headers.get("connection")!)) {
    if (name === "close") options |= CLOSE;
    else if (name === "keep-alive") options |= KEEP;
    else if (name === "upgrade") options |= UPGRADE_OPTION;
    else options |= NOMINATES;
  }
  return options;
}

const KEEP_ALIVE_VALUE = new TextEncoder().encode("keep-alive");
const CLOSE_VALUE = new TextEncoder().encode("close");

function isKnownValue(headers: HeaderBlock, id: number, lower: Uint8Array): boolean {
  const start = headers.knownStart(id);
  if (headers.knownEnd(id) - start !== lower.length) return false;
  for (let at = 0; at < lower.length; at++) {
    if (TOKEN_LOWER[headers.bytes[start + at]!] !== lower[at]) return false;
  }
  return true;
}
