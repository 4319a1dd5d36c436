import { copyBytes } from "./ascii.ts";

/** A byte array to write into. The caller ensures the room; nothing here checks it on each byte. */
export class ByteWriter {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  get room(): number {
    return this.bytes.length - this.length;
  }

  /** One byte a character; characters above U+00FF are a bug of the caller. */
  text(text: string): void {
    const bytes = this.bytes;
    let at = this.length;
    for (let index = 0; index < text.length; index++) bytes[at++] = text.charCodeAt(index);
    this.length = at;
  }

  copy(from: Uint8Array, start: number, end: number): void {
    this.length = copyBytes(this.bytes, this.length, from, start, end);
  }

  /** A whole number of zero or more, in decimal. */
  decimal(value: number): void {
    if (value < 10) {
      this.bytes[this.length++] = 48 + value;
      return;
    }
    this.text(String(value));
  }

  /** A whole number of zero or more, in lower-case hexadecimal. */
  hexadecimal(value: number): void {
    this.text(value.toString(16));
  }
}
