import { gunzipSync, gzipSync } from "node:zlib";

/**
 * Undoes gzip (RFC 1952) into at most `maxBytes`: a small body may unfold into gigabytes. A word
 * says why not.
 */
export function gunzip(bytes: Uint8Array, maxBytes: number): Buffer | "too-large" | "not-gzip" {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code } = error as { readonly code?: string };
    return code === "ERR_BUFFER_TOO_LARGE" ? "too-large" : "not-gzip";
  }
}

/** Packs bytes by gzip (RFC 1952), at its usual level. */
export function gzip(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes);
}
