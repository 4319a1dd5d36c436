/** Character classes of RFC 9110, 5.5 and 5.6.2, as tables: one load a byte on the hot path. */

export const CR = 13;
export const LF = 10;
export const SPACE = 32;
export const TAB = 9;
export const COLON = 58;

/** The lower-case byte of a token character, 0 for any other byte. */
export const TOKEN_LOWER = new Uint8Array(256);
/** 1 for what a field value may hold: visible characters, space, tab, obs-text. */
export const FIELD_VALUE = new Uint8Array(256);
/** 1 for what a request target may hold: visible ASCII without space. */
export const TARGET = new Uint8Array(256);
/** The value of a hexadecimal digit, 255 for any other byte. */
export const HEX_VALUE = new Uint8Array(256).fill(255);

for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte);
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(char) && byte < 128) {
    TOKEN_LOWER[byte] = char.toLowerCase().charCodeAt(0);
  }
  if (byte === TAB || (byte >= 32 && byte !== 127)) FIELD_VALUE[byte] = 1;
  if (byte > 32 && byte < 127) TARGET[byte] = 1;
  if (/[0-9A-Fa-f]/.test(char) && byte < 128) HEX_VALUE[byte] = Number.parseInt(char, 16);
}

/** Bytes to a string, one character a byte: headers are not UTF-8 (RFC 9110, 5.5). */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT) {
    let text = "";
    for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
    return text;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

/** Below this a loop beats the call into native code. */
const SHORT = 12;

/** Copies `start` to `end` of `from` to `at` of `into`. */
export function copyBytes(
  into: Uint8Array,
  at: number,
  from: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start <= COPY_BY_LOOP) {
    for (let read = start; read < end; read++) into[at++] = from[read]!;
    return at;
  }
  into.set(from.subarray(start, end), at);
  return at + (end - start);
}

/** Below this a loop beats a view and a call into native code. */
const COPY_BY_LOOP = 64;
