/**
 * HalfSipHash-2-4 with 64 bits (Aumasson and Bernstein, https://github.com/veorq/SipHash) of a
 * text's UTF-16LE bytes: who does not know the key cannot make texts that collide. For tables whose
 * keys come from outside; no allocation.
 *
 * @param into the low half, then the high one
 */
export function halfSipHash(text: string, key0: number, key1: number, into: Int32Array): void {
  let v0 = key0 | 0;
  let v1 = key1 ^ 0xee;
  let v2 = 0x6c79_6765 ^ key0;
  let v3 = 0x7465_6462 ^ key1;
  const words = text.length >>> 1;
  // The words, then what is left with the length in bytes; 2 rounds each, then 4 and 4.
  for (let index = 0; index <= words + 4; index++) {
    let word = 0;
    if (index < words) {
      word = text.charCodeAt(2 * index) | (text.charCodeAt(2 * index + 1) << 16);
    } else if (index === words) {
      word = ((2 * text.length) << 24) | (text.length & 1 ? text.charCodeAt(2 * index) : 0);
    } else if (index === words + 1) v2 ^= 0xee;
    else if (index === words + 3) {
      into[0] = v1 ^ v3;
      v1 ^= 0xdd;
    }
    v3 ^= word;
    for (let round = 0; round < 2; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    v0 ^= word;
  }
  into[1] = v1 ^ v3;
}
