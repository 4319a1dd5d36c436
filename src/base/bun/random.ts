import type { Random } from "../world.ts";
import { Xoshiro128 } from "../xoshiro.ts";

/** The most that one call of getRandomValues gives (Web Cryptography, 10.1.1). */
const SECURE_BYTES_PER_CALL = 65_536;

export class BunRandom implements Random {
  #generator: Xoshiro128;

  constructor() {
    const [a, b, c, d] = crypto.getRandomValues(new Uint32Array(4));
    this.#generator = new Xoshiro128(a!, b!, c!, d!);
  }

  next(): number {
    return this.#generator.next();
  }

  uint32(): number {
    return this.#generator.uint32();
  }

  secureBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let start = 0; start < length; start += SECURE_BYTES_PER_CALL) {
      crypto.getRandomValues(bytes.subarray(start, start + SECURE_BYTES_PER_CALL));
    }
    return bytes;
  }
}
