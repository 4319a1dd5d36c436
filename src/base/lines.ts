/** A longer line is cut into several: a program that never ends its line must not fill memory. */
const MAX_LINE_BYTES = 65_536;

/** Bytes in any pieces to lines, without their ends (LF or CRLF). */
export class LineSplitter {
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(private readonly line: (text: string) => void) {}

  push(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      this.#take(bytes.subarray(start, end));
      this.#emit();
      start = end + 1;
    }
    if (start < bytes.length) this.#take(bytes.subarray(start));
  }

  /** What is left when the stream ends. */
  end(): void {
    if (this.#heldBytes > 0) this.#emit();
  }

  #take(bytes: Uint8Array): void {
    let rest = bytes;
    while (this.#heldBytes + rest.length > MAX_LINE_BYTES) {
      const room = MAX_LINE_BYTES - this.#heldBytes;
      this.#hold(rest.subarray(0, room));
      this.#emit();
      rest = rest.subarray(room);
    }
    this.#hold(rest);
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  #emit(): void {
    const text = Buffer.concat(this.#held).toString("utf8");
    this.#held = [];
    this.#heldBytes = 0;
    this.line(text.endsWith("\r") ? text.slice(0, -1) : text);
  }
}
