/**
 * Messages out of a stream of bytes (RFC 6587): counted (`LENGTH SP MESSAGE`), or ended by a newline
 * or by NUL, as the C library does on a unix socket.
 * `auto` decides for each message, as senders may be mixed behind one relay: counted are those that
 * begin with a number, a space and `<`.
 */

export interface FrameOptions {
  readonly framing: "auto" | "octet-counting" | "newline";
  /** What is behind it in a message is passed over. */
  readonly maxMessageBytes: number;
  /**
   * Memory that connections share, to put unfinished messages and what follows them together: what
   * `join` returns is then good until any of them joins or `release` is called. Without it that is
   * good for ever.
   */
  readonly shared?: { bytes: Buffer };
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
const LESS = 0x3c;
const MAX_SHARED_BYTES = 1024 * 1024;
/** 10 GB: whoever counts further counts nothing that we would take. */
const MAX_DIGITS = 10;
const NO_BYTES = Buffer.alloc(0);

/** One connection's. Give it bytes with `join`, then take messages with `next` until it is false. */
export class SyslogFrames {
  /** Of the message that `next` found, in the buffer that `join` returned. */
  start = 0;
  end = 0;
  /** Messages that were cut at the bound, since the beginning. */
  long = 0;
  #options: FrameOptions;
  #chunk: Buffer = NO_BYTES;
  /** Behind what was taken of the chunk. */
  #at = 0;
  /** The first NUL of the chunk at or behind `#at`: looked for once, as there is none as a rule. */
  #nul = -1;
  /** Bytes of a counted message that are passed over. */
  #skipBytes = 0;
  /** In the rest of a line that was cut. */
  #skipLine = false;
  #broken = false;

  constructor(options: FrameOptions) {
    this.#options = options;
  }

  /** Octet counting was asked for, and what came is not counted: nothing more can be told apart. */
  get isBroken(): boolean {
    return this.#broken;
  }

  /** Bytes of an unfinished message. */
  get heldBytes(): number {
    return this.#chunk.length - this.#at;
  }

  /** The bytes in front of which the unfinished message stands; it is the messages' buffer. */
  join(bytes: Uint8Array): Buffer {
    const rest = this.#chunk.subarray(this.#at);
    if (rest.length === 0) {
      this.#chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } else if (bytes.length === 0) this.#chunk = rest;
    else this.#chunk = this.#joined(rest, bytes);
    this.#at = 0;
    this.#nul = -1;
    return this.#chunk;
  }

  #joined(rest: Buffer, bytes: Uint8Array): Buffer {
    const { shared } = this.#options;
    const length = rest.length + bytes.length;
    if (shared === undefined || length > MAX_SHARED_BYTES) return Buffer.concat([rest, bytes]);
    if (shared.bytes.length < length) shared.bytes = Buffer.allocUnsafeSlow(MAX_SHARED_BYTES);
    rest.copy(shared.bytes);
    shared.bytes.set(bytes, rest.length);
    return shared.bytes.subarray(0, length);
  }

  /** After the last `next`: keeps no more than the unfinished message. */
  release(): void {
    this.#chunk = this.heldBytes === 0 ? NO_BYTES : Buffer.from(this.#chunk.subarray(this.#at));
    this.#at = 0;
    this.#nul = -1;
  }

  /** False where no further message is whole. Messages without a byte are no messages. */
  next(): boolean {
    while (!this.#broken && this.#at < this.#chunk.length) {
      if (this.#skipBytes > 0) this.#skipCounted();
      else if (this.#skipLine) {
        if (!this.#passLine()) return false;
      } else {
        const found = this.#message();
        if (found !== "none") return found === "found";
      }
    }
    return false;
  }

  /** The stream is over: what is left of an unfinished message is one. */
  finish(): boolean {
    if (this.#broken || this.#skipBytes > 0 || this.#skipLine) return false;
    const head = this.#count();
    this.start = head === null || head === "more" ? this.#at : head.start;
    this.end = this.#bounded(this.#chunk.length);
    this.#at = this.#chunk.length;
    return this.end > this.start;
  }

  /** `none`: bytes were passed over, go on; `more`: the message is not whole. */
  #message(): "found" | "none" | "more" {
    const first = this.#chunk[this.#at]!;
    const { framing } = this.#options;
    if (framing !== "newline") {
      // A line end behind a counted message, and between messages.
      if (first === NEWLINE || first === 0) {
        this.#at += 1;
        return "none";
      }
      const count = this.#count();
      if (count === "more") return "more";
      if (count !== null) return this.#counted(count);
      if (framing === "octet-counting") {
        this.#broken = true;
        return "more";
      }
    }
    return this.#line();
  }

  /** A count at the beginning; null where there is none, `more` where that cannot be told yet. */
  #count(): { readonly length: number; readonly start: number } | "more" | null {
    if (this.#options.framing === "newline") return null;
    const chunk = this.#chunk;
    let at = this.#at;
    let length = 0;
    for (; at < chunk.length; at++) {
      const code = chunk[at]!;
      if (code < ZERO || code > NINE) break;
      length = length * 10 + code - ZERO;
      if (length === 0 || at - this.#at >= MAX_DIGITS) return null;
    }
    if (at === chunk.length) return "more";
    if (at === this.#at || chunk[at] !== SPACE) return null;
    if (this.#options.framing === "octet-counting") return { length, start: at + 1 };
    if (at + 1 === chunk.length) return "more";
    return chunk[at + 1] === LESS ? { length, start: at + 1 } : null;
  }

  #counted(count: { readonly length: number; readonly start: number }): "found" | "more" {
    const { maxMessageBytes } = this.#options;
    const taken = Math.min(count.length, maxMessageBytes);
    if (this.#chunk.length - count.start < taken) return "more";
    this.start = count.start;
    this.end = count.start + taken;
    this.#at = this.end;
    this.#skipBytes = count.length - taken;
    if (this.#skipBytes > 0) this.end = this.#whole(this.end);
    if (this.#skipBytes > 0) this.long += 1;
    return "found";
  }

  #line(): "found" | "none" | "more" {
    const { maxMessageBytes } = this.#options;
    const newline = this.#lineEnd();
    const end = newline < 0 ? this.#chunk.length : newline;
    if (newline < 0 && end - this.#at <= maxMessageBytes) return "more";
    this.start = this.#at;
    this.end = this.#bounded(end);
    if (end - this.#at > maxMessageBytes) this.long += 1;
    this.#skipLine = newline < 0;
    this.#at = newline < 0 ? end : newline + 1;
    return this.end > this.start ? "found" : "none";
  }

  /** -1 where the line has no end yet. */
  #lineEnd(): number {
    const newline = this.#chunk.indexOf(NEWLINE, this.#at);
    if (this.#nul < this.#at) {
      const nul = this.#chunk.indexOf(0, this.#at);
      this.#nul = nul < 0 ? Infinity : nul;
    }
    if (this.#nul === Infinity) return newline;
    return newline < 0 ? this.#nul : Math.min(newline, this.#nul);
  }

  #bounded(end: number): number {
    const bound = this.start + this.#options.maxMessageBytes;
    return end <= bound ? end : this.#whole(bound);
  }

  /** A cut does not go through a character of UTF-8 (RFC 3629). */
  #whole(cut: number): number {
    let end = cut;
    for (let back = 0; back < 4 && end > this.start; back++) {
      end -= 1;
      if ((this.#chunk[end]! & 0xc0) !== 0x80) {
        const needs = charBytes(this.#chunk[end]!);
        return end + needs <= cut ? cut : end;
      }
    }
    return cut;
  }

  #skipCounted(): void {
    const skipped = Math.min(this.#skipBytes, this.#chunk.length - this.#at);
    this.#at += skipped;
    this.#skipBytes -= skipped;
  }

  #passLine(): boolean {
    const newline = this.#lineEnd();
    this.#at = newline < 0 ? this.#chunk.length : newline + 1;
    this.#skipLine = newline < 0;
    return newline >= 0;
  }
}

function charBytes(first: number): number {
  if (first < 0xc0) return 1;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
