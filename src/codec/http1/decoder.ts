import { COLON, CR, FIELD_VALUE, HEX_VALUE, isBlank, LF, TOKEN_LOWER } from "../ascii.ts";
import { CONTENT_LENGTH, HeaderBlock, HOST, TRANSFER_ENCODING } from "../headers.ts";
import { CodecError, headerLabel, MAX_LABEL, type BodyFraming, type CodecErrorCode } from "../message.ts";
import { type Repair, repairHead, tolerantHeadEnd } from "./repair.ts";

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
/** Within a malformed head that is repaired once it is whole. */
const REPAIR = 9;

/** A chunk's size line with its extensions. */
export const MAX_CHUNK_LINE = 256;
/** Hexadecimal digits of a chunk's size: 2^52 bytes. */
const MAX_CHUNK_DIGITS = 13;
export const MAX_TRAILER_BYTES = 8192;
/**
 * Never sent as trailers (RFC 9110, 6.5.1): a next hop that merges trailers into the head would
 * read another message than we did.
 */
const NO_TRAILER = (1 << HOST) | (1 << CONTENT_LENGTH) | (1 << TRANSFER_ENCODING);
/** Empty lines before a start line that are overlooked (RFC 9112, 2.2). */
export const MAX_EMPTY_LINES = 4;

const EMPTY = new Uint8Array(0);

/**
 * HTTP/1.x bytes in, calls out (RFC 9112). Incremental: a message may come in any pieces. A head
 * that lies in one piece is read where it lies, in one pass. Strict: what two implementations might
 * read differently is refused.
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
  /** Where the first line of the kept block starts that was not read yet. */
  #lineStart = 0;
  /** Bytes of the empty lines that stand before a start line. */
  #blankBytes = 0;
  #remaining = 0;
  #chunkDigits = 0;
  #chunkLine = 0;
  #inExtension = false;
  #sawReturn = false;
  /** Came after the message in hand, while `hold`. */
  #rest: Uint8Array = EMPTY;
  #trailers: HeaderBlock | null = null;
  #error: CodecError | null = null;
  /** The peer closed its side while a message of its was held. */
  #ended = false;

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

  /** Whether a head with this error is repaired. Asked after an error only. */
  protected mayRepair(_error: CodecError): boolean {
    return false;
  }

  /** What was repaired in the head that is about to be told. */
  protected repaired(_repairs: readonly Repair[]): void {}

  protected fail(code: CodecErrorCode, message: string, header: string | null = null): -1 {
    this.#error = new CodecError(code, message, header);
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
    return this.#state !== HEAD && this.#state !== FAILED && this.#state !== REPAIR;
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
    if (rest.length === 0) return this.#error;
    this.#run(rest, 0);
    return this.#ended ? this.end() : this.#error;
  }

  /** The peer has closed its side. What is held is still good: its end is judged by `resume`. */
  end(): CodecError | null {
    if (this.#rest.length !== 0) {
      this.#ended = true;
      return null;
    }
    switch (this.#state) {
      case UNTIL_CLOSE:
        this.#endMessage();
        return null;
      case RAW:
      case FAILED:
        return this.#error;
      case HEAD:
        if (this.#partialLength === 0) return null;
        // A line that is not whole may hold an error already, which says more than its end.
        // One that would have been repaired says less.
        if (this.#parseKeptHead() >= 0 || this.#startRepair()) this.#truncated();
        break;
      case TRAILERS:
        if (this.#partialLength === 0 || this.#parseKeptTrailers() >= 0) this.#truncated();
        break;
      default:
        this.#truncated();
    }
    this.#state = FAILED;
    return this.#error;
  }

  #truncated(): void {
    this.fail("truncated", "the peer closed the connection in the middle of a message");
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
        case REPAIR:
          at = this.#repair(bytes, at);
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
      let start = from;
      if (bytes[from] === CR || this.#blankBytes !== 0) {
        start = this.#skipEmptyLines(bytes, from);
        if (start < 0 || start === bytes.length) return start;
      }
      const end = this.#parseHead(bytes, start);
      if (end > 0) return this.#headDone(end);
      if (end < 0) return this.#startRepair() ? this.#repair(bytes, start) : -1;
      // The kept block is read from its start once its next line is whole.
      this.#lineStart = 0;
      return this.#keepPartial(bytes, start, this.#limits.maxHeaderBytes);
    }
    const most = this.#limits.maxHeaderBytes;
    if (this.#partialLength === most) {
      // An error within what was kept comes first, as it does where all came in one piece.
      const isBad = this.#parseKeptHead() < 0 && !this.#startRepair();
      return isBad ? -1 : this.#tooLarge();
    }
    const before = this.#partialLength;
    const stop = this.#keepPartial(bytes, from, most);
    if (!hasLineFeed(bytes, from, stop)) return stop;
    const end = this.#parseKeptHead();
    if (end === 0) return stop;
    if (end < 0) return this.#startRepair() ? this.#repairKept(from, before, stop) : -1;
    // The block stays with the message: the next partial head gets an array of its own.
    this.#partial = EMPTY;
    this.#partialLength = 0;
    return this.#headDone(from + end - before);
  }

  /** Returns where the start line starts, or the end of the bytes. */
  #skipEmptyLines(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const inLine = (this.#blankBytes & 1) === 1;
      if (bytes[at] !== (inLine ? LF : CR)) {
        if (inLine) return this.fail("unexpected-data", "a lone carriage return before a message");
        this.#blankBytes = 0;
        return at;
      }
      if (this.#blankBytes === 2 * MAX_EMPTY_LINES) {
        return this.fail("unexpected-data", "too many empty lines before a message");
      }
      this.#blankBytes++;
    }
    return bytes.length;
  }

  /** Copies at most up to `most` behind what was kept; returns the position up to which it did. */
  #keepPartial(bytes: Uint8Array, from: number, most: number): number {
    const take = Math.min(bytes.length - from, most - this.#partialLength);
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

  /** The position behind the head, 0 where it is not whole, -1 on an error. */
  #parseHead(bytes: Uint8Array, start: number): number {
    this.#headers.reset(bytes);
    let end = this.startLine(bytes, start);
    if (end > 0) end = this.#headerLines(this.#headers, bytes, end);
    const limit = start + this.#limits.maxHeaderBytes;
    if (end > limit) return this.#tooLarge();
    if (end < 0 && bytes.length > limit && this.#parseHead(bytes.subarray(0, limit), start) === 0) {
      // The error stands behind the limit, which a head in pieces would never have passed.
      return this.#tooLarge();
    }
    return end;
  }

  /** `#parseHead` for the kept block: goes on at the first line that it has not read. */
  #parseKeptHead(): number {
    const block = this.#partial.subarray(0, this.#partialLength);
    if (this.#lineStart === 0) {
      this.#headers.reset(block);
      const at = this.startLine(block, 0);
      if (at <= 0) return at;
      this.#lineStart = at;
    }
    // It may have moved since the last line.
    this.#headers.bytes = block;
    return this.#headerLines(this.#headers, block, this.#lineStart);
  }

  #tooLarge(): -1 {
    const most = this.#limits.maxHeaderBytes;
    return this.fail("header-too-large", `the head is larger than ${most} bytes`);
  }

  /** The position behind the empty line, 0 where there is none yet, -1 on an error. */
  #headerLines(headers: HeaderBlock, bytes: Uint8Array, from: number): number {
    const length = bytes.length;
    const most = this.#limits.maxHeaders;
    let at = from;
    for (;;) {
      this.#lineStart = at;
      if (at >= length) return 0;
      const nameStart = at;
      let byte = bytes[at]!;
      if (byte === CR) {
        if (at + 1 >= length) return 0;
        if (bytes[at + 1] !== LF) return this.#badName(headers, bytes, nameStart, at);
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
      if (byte !== COLON || at === nameStart) return this.#badName(headers, bytes, nameStart, at);
      const nameEnd = at++;
      while (at < length && isBlank(bytes[at]!)) at++;
      const valueStart = at;
      while (at < length && FIELD_VALUE[bytes[at]!] === 1) at++;
      if (at + 1 >= length) {
        if (at < length && bytes[at] !== CR) return this.#badValue(bytes, nameStart, nameEnd, at);
        return 0;
      }
      if (bytes[at] !== CR || bytes[at + 1] !== LF) {
        return this.#badValue(bytes, nameStart, nameEnd, at);
      }
      let valueEnd = at;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
      at += 2;
      if (headers.count >= most) {
        return this.fail("too-many-headers", `more than ${most} header lines`);
      }
      headers.place(hash, nameStart, nameEnd, valueStart, valueEnd, at);
    }
  }

  #badName(headers: HeaderBlock, bytes: Uint8Array, start: number, at: number): -1 {
    const byte = bytes[at]!;
    if (at === start && isBlank(byte)) {
      const text = "a header line starts with a blank (RFC 9112, 5.2)";
      return this.fail("obsolete-folding", text, headers.lastName(MAX_LABEL));
    }
    const header = at === start ? null : headerLabel(bytes, start, at);
    if (byte === LF) {
      return this.fail("bare-line-feed", "a line ends without a carriage return", header);
    }
    return this.fail("bad-header-name", `byte 0x${hex(byte)} in a header's name`, header);
  }

  #badValue(bytes: Uint8Array, start: number, end: number, at: number): -1 {
    const header = headerLabel(bytes, start, end);
    const byte = bytes[at]!;
    if (byte === LF) {
      return this.fail("bare-line-feed", "a line ends without a carriage return", header);
    }
    return this.fail("bad-header-value", `byte 0x${hex(byte)} in a header's value`, header);
  }

  // -------------------------------------------------------------- repair

  /** True where the head with the error in hand is kept and repaired. */
  #startRepair(): boolean {
    if (!this.mayRepair(this.#error!)) return false;
    this.#error = null;
    this.#state = REPAIR;
    return true;
  }

  #repair(bytes: Uint8Array, from: number): number {
    const before = this.#partialLength;
    const most = this.#limits.maxHeaderBytes;
    if (before === most) return this.#tooLarge();
    return this.#repairKept(from, before, this.#keepPartial(bytes, from, most));
  }

  /** Repairs the kept block once it is whole; `from` to `stop` came last, behind `before` bytes. */
  #repairKept(from: number, before: number, stop: number): number {
    const block = this.#partial.subarray(0, this.#partialLength);
    // The line feed that the end starts with may have come before.
    const end = tolerantHeadEnd(block, Math.max(0, before - 2));
    if (end === 0) return stop;
    const found = repairHead(block.subarray(0, end));
    this.#partial = EMPTY;
    this.#partialLength = 0;
    if (found instanceof CodecError) {
      this.#error = found;
      return -1;
    }
    this.#headers.reset(found.bytes);
    let at = this.startLine(found.bytes, 0);
    if (at > 0) at = this.#headerLines(this.#headers, found.bytes, at);
    if (at < 0) return -1;
    if (at !== found.bytes.length) throw new Error("bug: a repaired head is no whole head");
    // Here and again in `#headDone`: what is refused for its framing was not repaired.
    if (this.finishHead() === null) return -1;
    this.#state = HEAD;
    this.repaired(found.repairs);
    return this.#headDone(from + end - before);
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
        if (this.#state === HEAD) this.#endMessage();
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
        if (byte !== LF) return this.fail("bad-chunk", "a size line ends without a line feed");
        this.#state = this.#remaining === 0 ? TRAILERS : CHUNK_DATA;
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
    if (before === MAX_TRAILER_BYTES) {
      if (this.#parseKeptTrailers() < 0) return -1;
      return this.fail("bad-trailer", `more than ${MAX_TRAILER_BYTES} bytes of trailers`);
    }
    if (before === 0) {
      this.#lineStart = 0;
      this.#trailers ??= new HeaderBlock();
      this.#trailers.reset(EMPTY);
    }
    const stop = this.#keepPartial(bytes, from, MAX_TRAILER_BYTES);
    if (!hasLineFeed(bytes, from, stop)) return stop;
    const end = this.#parseKeptTrailers();
    if (end <= 0) return end < 0 ? -1 : stop;
    this.#partial = EMPTY;
    this.#partialLength = 0;
    if ((this.#trailers!.present & NO_TRAILER) !== 0) {
      return this.fail("bad-trailer", "Host, Content-Length or Transfer-Encoding as a trailer");
    }
    if (this.#trailers!.count > 0) this.#sink.onTrailers(this.#trailers!);
    this.#endMessage();
    return from + end - before;
  }

  #parseKeptTrailers(): number {
    const block = this.#partial.subarray(0, this.#partialLength);
    this.#trailers!.bytes = block;
    return this.#headerLines(this.#trailers!, block, this.#lineStart);
  }
}

function hasLineFeed(bytes: Uint8Array, start: number, end: number): boolean {
  const feed = bytes.indexOf(LF, start);
  return feed >= 0 && feed < end;
}

export function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
