import type { Random } from "../world.ts";
import { Xoshiro128 } from "../xoshiro.ts";

/** Everything by seed, `secureBytes` too: a run that failed can be run again. */
export class SimulatedRandom implements Random {
  #generator: Xoshiro128;

  constructor(seed: number) {
    this.#generator = Xoshiro128.fromSeed(seed);
  }

  next(): number {
    return this.#generator.next();
  }

  uint32(): number {
    return this.#generator.uint32();
  }

  secureBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index += 1) bytes[index] = this.#generator.uint32() >>> 24;
    return bytes;
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    // No draw where nothing is to be decided: a fault that is off disturbs no other.
    return probability > 0 && this.#generator.next() < probability;
  }

  between(low: number, high: number): number {
    return low >= high ? low : low + this.#generator.next() * (high - low);
  }

  /** A whole number from low to high, both included. */
  integer(low: number, high: number): number {
    return low >= high ? low : low + Math.floor(this.#generator.next() * (high - low + 1));
  }
}
