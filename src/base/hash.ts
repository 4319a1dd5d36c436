import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** SHA-256 (FIPS 180-4) of a text's UTF-8 bytes, as 64 lower-case hexadecimal digits. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** CRC-32 (ISO 3309, as in gzip) of the bytes; `before` is that of the bytes in front of them. */
export function crc32Of(bytes: Uint8Array, before = 0): number {
  return crc32(bytes, before);
}
