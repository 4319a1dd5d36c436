import { COLON, CR, FIELD_VALUE, HEX_VALUE, LF, SPACE, TAB, TOKEN_LOWER } from "../ascii.ts";
import { HeaderBlock } from "../headers.ts";
import { CodecError, type BodyFraming, type CodecErrorCode } from "../message.ts";

/** Bounds of one message's head. */
export interface DecoderLimits {
  /** Start line and header lines together. */
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}

/** What a message's body and end tell the owner. */
export interface BodySink {
  /** `bytes` from `start` to `end`; theirs to keep. */
  onBody(bytes: Uint8Array, start: number, end: number): void;
  /** Only where a chunked body had trailers; before `onMessageEnd`. */
  onTrailers(trailers: HeaderBlock): void;
  onMessageEnd(): void;
}

const HEAD = 0;
const LENGTH = 1;
const CHUNK_SIZE = 2;
const CHUNK_DATA = 3;
const CHUNK_END = 4;
const TRAILERS = 5;
const UNTIL_CLOSE = 6;
const RAW = 7;
const FAILED = 8;

/** A chunk's size line with its extensions. */
const MAX_CHUNK_LINE = 256;
/** Hexadecimal digits of a chunk's size: 2^52 bytes. */
const MAX_CHUNK_DIGITS = 13;
const MAX_TRAILER_BYTES = 8192;
/** Empty lines before a start line that are overlooked (RFC 9112, 2.2). */
const MAX_EMPTY_LINES = 4;

const EMPTY = new Uint8Array(0);

/**
 * HTTP/1.x bytes in, calls out (RFC 9112). Incremental: a message may come in any pieces. A head that
 * lies in one piece is read where it lies, in one pass. Strict: what two implementations might read
 * differently is refused.
 */
export abstract class Decoder {
  /** Stop after the message in hand; what follows waits for `resume`. */
  hold = false;

  readonly #limits: DecoderLimits;
  readonly #sink: BodySink;
  readonly #headers: HeaderBlock;
  #state = HEAD;
  /** A head, chunk line or trailer block that came in part. */
  #partial: Uint8Array = EMPTY;
  #partialLength = 0;
  #scanned = 0;
  #remaining = 0;
  #chunkDigits = 0;
  #chunkLine = 0;
  #inExtension = false;
  #sawReturn = false;
  /** Came after the message in hand, while `hold`. */
  #rest: Uint8Array = EMPTY;
  #trailers: HeaderBlock | null = null;
  #error: CodecError | null = null;

  constructor(limits: DecoderLimits, sink: BodySink, headers: HeaderBlock) {
    this.#limits = limits;
    this.#sink = sink;
    this.#headers = headers;
  }

  /** Returns where the first header line starts, 0 where the line is not whole, -1 on an error. */
  protected abstract startLine(bytes: Uint8Array, start: number): number;
  /** Says how the body is framed, or null after `fail`. */
  protected abstract finishHead(): BodyFraming | null;
  protected abstract emitHead(): void;
  protected abstract get contentLength(): number;

  protected fail(code: CodecErrorCode, message: string): -1 {
    this.#error = new CodecError(code, message);
    return -1;
  }

  /** Bytes that arrived behind the message in hand. */
  get heldBytes(): number {
    return this.#rest.length;
  }

  /** True between messages: nothing of a next one has come. */
  get isIdle(): boolean {
    return this.#state === HEAD && this.#partialLength === 0 && this.#rest.length === 0;
  }

  /** True within a body. */
  get inBody(): boolean {
    return this.#state !== HEAD && this.#state !== FAILED;
  }

  /** From here on everything is body without an end: after an upgrade or CONNECT. */
  becomeRaw(): void {
    this.#state = RAW;
  }

  /** Takes bytes; the error, once there, stays. */
  feed(bytes: Uint8Array): CodecError | null {
    if (this.#rest.length !== 0) {
      // Only a peer that does not wait gets here; its owner pauses it, so that this stays small.
      const joined = new Uint8Array(this.#rest.length + bytes.length);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      this.#rest = joined;
      return this.hold ? this.#error : this.resume();
    }
    return this.#run(bytes, 0);
  }

  /** Goes on after `hold`. */
  resume(): CodecError | null {
    this.hold = false;
    const rest = this.#rest;
    this.#rest = EMPTY;
    return rest.length === 0 ? this.#error : this.#run(rest, 0);
  }

  /** The peer has closed its side. */
  end(): CodecError | null {
    if (this.#state === UNTIL_CLOSE) {
      this.#state = HEAD;
      this.#sink.onMessageEnd();
      return null;
    }
    if (this.#state === FAILED) return this.#error;
    if (this.isIdle || this.#state === RAW) return null;
    this.fail("truncated", "the peer closed the connection in the middle of a message");
    this.#state = FAILED;
    return this.#error;
  }

  #run(bytes: Uint8Array, from: number): CodecError | null {
    let at = from;
    const length = bytes.length;
    while (at < length) {
      switch (this.#state) {
        case HEAD:
          if (this.hold) {
            this.#rest = at === 0 ? bytes : bytes.subarray(at);
            return null;
          }
          at = this.#head(bytes, at);
          break;
        case LENGTH:
        case CHUNK_DATA: {
          const take = Math.min(this.#remaining, length - at);
          this.#remaining -= take;
          const start = at;
          at += take;
          if (this.#remaining === 0 && this.#state === CHUNK_DATA) {
            this.#state = CHUNK_END;
            this.#sawReturn = false;
          }
          this.#sink.onBody(bytes, start, at);
          if (this.#remaining === 0 && this.#state === LENGTH) this.#endMessage();
          break;
        }
        case CHUNK_SIZE:
          at = this.#chunkSize(bytes, at);
          break;
        case CHUNK_END:
          at = this.#chunkEnd(bytes, at);
          break;
        case TRAILERS:
          at = this.#trailerBlock(bytes, at);
          break;
        case UNTIL_CLOSE:
        case RAW:
          this.#sink.onBody(bytes, at, length);
          at = length;
          break;
        default:
          return this.#error;
      }
      if (at < 0) {
        this.#state = FAILED;
        this.#partial = EMPTY;
        this.#partialLength = 0;
        return this.#error;
      }
    }
    return null;
  }

  #endMessage(): void {
    this.#state = HEAD;
    this.#sink.onMessageEnd();
  }

  // -------------------------------------------------------------- head

  #head(bytes: Uint8Array, from: number): number {
    if (this.#partialLength === 0) {
      const start = this.#skipEmptyLines(bytes, from);
      if (start < 0 || start === bytes.length) return start;
      const end = this.#parseHead(bytes, start);
      if (end !== 0) return end < 0 ? -1 : this.#headDone(end);
      this.#scanned = 0;
      return this.#keepPartial(bytes, start, this.#limits.maxHeaderBytes);
    }
    const before = this.#partialLength;
    const stop = this.#keepPartial(bytes, from, this.#limits.maxHeaderBytes);
    if (stop < 0) return -1;
    const end = this.#endOfBlock();
    if (end <= 0) return end < 0 ? -1 : stop;
    // The block stays with the message: the next partial head gets an array of its own.
    const block = this.#partial;
    this.#partial = EMPTY;
    this.#partialLength = 0;
    const parsed = this.#parseHead(block.subarray(0, end), 0);
    if (parsed === 0) return this.fail("bad-header-name", "the head ends in the middle of a line");
    if (parsed < 0) return -1;
    return this.#headDone(from + end - before);
  }

  #skipEmptyLines(bytes: Uint8Array, from: number): number {
    let at = from;
    for (let lines = 0; bytes[at] === CR && bytes[at + 1] === LF; lines++) {
      if (lines === MAX_EMPTY_LINES) {
        return this.fail("bad-request-line", "too many empty lines before a message");
      }
      at += 2;
    }
    return at;
  }

  /** Copies what came behind what was kept; returns the position up to which it was taken. */
  #keepPartial(bytes: Uint8Array, from: number, most: number): number {
    const room = most - this.#partialLength;
    const take = Math.min(bytes.length - from, room);
    if (take <= 0) {
      return this.fail("header-too-large", `the head is larger than ${most} bytes`);
    }
    const needed = this.#partialLength + take;
    if (needed > this.#partial.length) {
      const grown = new Uint8Array(Math.min(most, Math.max(512, needed * 2)));
      grown.set(this.#partial.subarray(0, this.#partialLength));
      this.#partial = grown;
    }
    this.#partial.set(bytes.subarray(from, from + take), this.#partialLength);
    this.#partialLength = needed;
    return from + take;
  }

  /** Where the kept block ends (behind its empty line), 0 where it does not yet, -1 on an error. */
  #endOfBlock(): number {
    const bytes = this.#partial;
    const length = this.#partialLength;
    let at = this.#scanned;
    for (;;) {
      const feed = bytes.indexOf(LF, at);
      if (feed < 0 || feed >= length) {
        this.#scanned = length;
        return 0;
      }
      if (feed === 0 || bytes[feed - 1] !== CR) {
        return this.fail("bare-line-feed", "a line ends without a carriage return");
      }
      if (feed === 1 || (feed >= 3 && bytes[feed - 2] === LF)) return feed + 1;
      at = feed + 1;
    }
  }

  /** The position behind the head, 0 where it is not whole, -1 on an error. */
  #parseHead(bytes: Uint8Array, start: number): number {
    this.#headers.reset(bytes);
    const at = this.startLine(bytes, start);
    if (at <= 0) return at;
    const end = this.#headerLines(this.#headers, bytes, at);
    if (end > 0 && end - start > this.#limits.maxHeaderBytes) {
      return this.fail(
        "header-too-large",
        `the head is larger than ${this.#limits.maxHeaderBytes} bytes`,
      );
    }
    return end;
  }

  #headerLines(headers: HeaderBlock, bytes: Uint8Array, from: number): number {
    const length = bytes.length;
    const most = this.#limits.maxHeaders;
    let at = from;
    for (;;) {
      if (at >= length) return 0;
      const nameStart = at;
      let byte = bytes[at]!;
      if (byte === CR) {
        if (at + 1 >= length) return 0;
        if (bytes[at + 1] !== LF) return this.#badName(byte);
        return at + 2;
      }
      let hash = 0;
      let lower = TOKEN_LOWER[byte]!;
      while (lower !== 0) {
        hash = (Math.imul(hash, 31) + lower) | 0;
        if (++at >= length) return 0;
        byte = bytes[at]!;
        lower = TOKEN_LOWER[byte]!;
      }
      if (byte !== COLON || at === nameStart) return this.#badName(byte, at === nameStart);
      const nameEnd = at++;
      while (at < length && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const valueStart = at;
      while (at < length && FIELD_VALUE[bytes[at]!] === 1) at++;
      if (at + 1 >= length) {
        if (at < length && bytes[at] !== CR) return this.#badValue(bytes[at]!);
        return 0;
      }
      if (bytes[at] !== CR || bytes[at + 1] !== LF) return this.#badValue(bytes[at]!);
      let valueEnd = at;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
      at += 2;
      if (headers.count >= most) {
        return this.fail("too-many-headers", `more than ${most} header lines`);
      }
      headers.place(hash, nameStart, nameEnd, valueStart, valueEnd, at);
    }
  }

  #badName(byte: number, first = false): -1 {
    if (first && isBlank(byte)) {
      return this.fail("obsolete-folding", "a header line starts with a blank (RFC 9112, 5.2)");
    }
    if (byte === LF) {
      return this.fail("bare-line-feed", "a line ends without a carriage return");
    }
    return this.fail("bad-header-name", `byte 0x${hex(byte)} in a header's name`);
  }

  #badValue(byte: number): -1 {
    if (byte === LF) {
      return this.fail("bare-line-feed", "a line ends without a carriage return");
    }
    return this.fail("bad-header-value", `byte 0x${hex(byte)} in a header's value`);
  }

  #headDone(position: number): number {
    const framing = this.finishHead();
    if (framing === null) return -1;
    switch (framing) {
      case "none":
        this.emitHead();
        // The owner may have turned the decoder raw, for an upgrade.
        if (this.#state === HEAD) this.#endMessage();
        return position;
      case "length":
        this.#remaining = this.contentLength;
        this.#state = this.#remaining === 0 ? HEAD : LENGTH;
        this.emitHead();
        if (this.#remaining === 0) this.#endMessage();
        return position;
      case "chunked":
        this.#startChunk();
        this.emitHead();
        return position;
      case "until-close":
        this.#state = UNTIL_CLOSE;
        this.emitHead();
        return position;
    }
  }

  // -------------------------------------------------------------- chunked (RFC 9112, 7.1)

  #startChunk(): void {
    this.#state = CHUNK_SIZE;
    this.#remaining = 0;
    this.#chunkDigits = 0;
    this.#chunkLine = 0;
    this.#inExtension = false;
    this.#sawReturn = false;
  }

  #chunkSize(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (++this.#chunkLine > MAX_CHUNK_LINE) {
        return this.fail("bad-chunk", `a chunk's size line is longer than ${MAX_CHUNK_LINE} bytes`);
      }
      if (this.#sawReturn) {
        if (byte !== LF) return this.fail("bad-chunk", "a chunk's size line ends without a line feed");
        this.#state = this.#remaining === 0 ? TRAILERS : CHUNK_DATA;
        this.#scanned = 0;
        return at + 1;
      }
      const value = HEX_VALUE[byte]!;
      if (value !== 255 && !this.#inExtension) {
        if (++this.#chunkDigits > MAX_CHUNK_DIGITS) {
          return this.fail("bad-chunk", "a chunk's size is too large");
        }
        this.#remaining = this.#remaining * 16 + value;
      } else if (this.#chunkDigits === 0) {
        return this.fail("bad-chunk", `byte 0x${hex(byte)} where a chunk's size should be`);
      } else if (byte === CR) {
        this.#sawReturn = true;
      } else if (byte === 59 || (this.#inExtension && FIELD_VALUE[byte] === 1)) {
        this.#inExtension = true;
      } else {
        return this.fail("bad-chunk", `byte 0x${hex(byte)} behind a chunk's size`);
      }
    }
    return bytes.length;
  }

  #chunkEnd(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] !== (this.#sawReturn ? LF : CR)) {
        return this.fail("bad-chunk", "a chunk is longer than its size says");
      }
      if (this.#sawReturn) {
        this.#startChunk();
        return at + 1;
      }
      this.#sawReturn = true;
    }
    return bytes.length;
  }

  #trailerBlock(bytes: Uint8Array, from: number): number {
    const before = this.#partialLength;
    if (before === 0 && bytes[from] === CR && bytes[from + 1] === LF) {
      this.#endMessage();
      return from + 2;
    }
    const stop = this.#keepPartial(bytes, from, MAX_TRAILER_BYTES);
    if (stop < 0) return this.fail("bad-trailer", `more than ${MAX_TRAILER_BYTES} bytes of trailers`);
    const end = this.#endOfBlock();
    if (end <= 0) return end < 0 ? -1 : stop;
    const block = this.#partial.subarray(0, end);
    this.#partial = EMPTY;
    this.#partialLength = 0;
    this.#trailers ??= new HeaderBlock();
    this.#trailers.reset(block);
    const parsed = this.#headerLines(this.#trailers, block, 0);
    if (parsed < 0) return -1;
    if (parsed !== end) return this.fail("bad-trailer", "a trailer ends in the middle of a line");
    if (this.#trailers.count > 0) this.#sink.onTrailers(this.#trailers);
    this.#endMessage();
    return from + end - before;
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

export function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
