import type { OpenFile } from "../../base/world.ts";

/** A hash of a bounded piece of a file. */
export interface Fingerprint {
  /** Bytes that were hashed. */
  readonly length: number;
  readonly hash: string;
}

/** The head of a file is its first bytes, as many as were there, up to this. */
export const MAX_HEAD_BYTES = 1024;
/** The tail is what stands just before an offset. */
export const MAX_TAIL_BYTES = 256;

export const NO_BYTES: Fingerprint = { length: 0, hash: "0" };

/** 53 bits of `bytes[start, end)` (cyrb53): enough to tell files apart, not against an attacker. */
export function fingerprint(bytes: Uint8Array, start: number, end: number): Fingerprint {
  if (end <= start) return NO_BYTES;
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    a = Math.imul(a ^ byte, 2654435761);
    b = Math.imul(b ^ byte, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  const value = 4294967296 * (2097151 & b) + (a >>> 0);
  return { length: end - start, hash: value.toString(36) };
}

const scratch = Buffer.alloc(MAX_HEAD_BYTES);

/** Reads and hashes; shorter than asked for where the file is. */
export function fingerprintAt(file: OpenFile, position: number, length: number): Fingerprint {
  const bounded = Math.min(length, MAX_HEAD_BYTES);
  const read = bounded === 0 ? 0 : file.readAt(scratch, 0, bounded, position);
  return fingerprint(scratch, 0, read);
}

/** Whether the file holds at `position` what was seen there. No bytes are held everywhere. */
export function holds(file: OpenFile, position: number, seen: Fingerprint): boolean {
  if (seen.length === 0) return true;
  const now = fingerprintAt(file, position, seen.length);
  return now.length === seen.length && now.hash === seen.hash;
}
