import { createHash, createHmac } from "node:crypto";
import { crc32 } from "node:zlib";

/** SHA-256 (FIPS 180-4) of a text's UTF-8 bytes, as 64 lower-case hexadecimal digits. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** CRC-32 (ISO 3309, as in gzip) of the bytes; `before` is that of the bytes in front of them. */
export function crc32Of(bytes: Uint8Array, before = 0): number {
  return crc32(bytes, before);
}

/** HMAC-SHA-256 (RFC 2104) of a text's UTF-8 bytes, as 64 lower-case hexadecimal digits. */
export function hmacSha256Hex(key: Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text, "utf8").digest("hex");
}

/** An even spread over 32 bits, the same everywhere and for ever: for choosing, not for secrets. */
export function mixedHash(text: string): number {
  // The finaliser of MurmurHash3, for a CRC alone maps like texts to like numbers.
  let hash = crc32(text);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
