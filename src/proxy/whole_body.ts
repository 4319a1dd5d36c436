/** A body that is gathered whole, up to a bound, for filters that want it so. */
export class WholeBody {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False where the body is larger than the bound: then nothing is kept. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    this.#bytes += end - start;
    if (this.#bytes > this.#maxBytes) {
      this.#parts = [];
      return false;
    }
    this.#parts.push(bytes.subarray(start, end));
    return true;
  }

  /** All of it in one piece: most bodies came so. */
  get bytes(): Uint8Array {
    const parts = this.#parts;
    if (parts.length === 1) return parts[0]!;
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}
