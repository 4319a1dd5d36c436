import { CR, FIELD_VALUE, LF, SPACE } from "../ascii.ts";
import { CONTENT_LENGTH, TRANSFER_ENCODING } from "../headers.ts";
import { type BodyFraming, type CodecError, ResponseHead } from "../message.ts";
import { Decoder, type BodySink, type DecoderLimits } from "./decoder.ts";
import type { Repair } from "./repair.ts";
import {
  CLOSE,
  connectionOptions,
  contentLengthOf,
  isChunkedAlone,
  KEEP,
  NOMINATES,
} from "./framing.ts";

export interface ResponseSink extends BodySink {
  /** Also for each interim (1xx) response; `onMessageEnd` follows each. */
  onResponseHead(head: ResponseHead): void;
  /** Whether malformed headers are repaired where that is safe; without it none is. */
  readonly repairsHeads?: boolean;
  /** Before the head in which it was done. */
  onRepaired?(repairs: readonly Repair[]): void;
}

const PREFIX = "HTTP/1.";
const TRANSFER = "transfer-encoding";
/** Bytes of a status line whose form is fixed, the one behind the status included. */
const STATUS_FORM = 13;

/** Reads the responses of one connection (RFC 9112, 4). */
export class ResponseDecoder extends Decoder {
  readonly head: ResponseHead;
  readonly #sink: ResponseSink;
  #withoutBody = false;
  #toConnect = false;

  constructor(limits: DecoderLimits, sink: ResponseSink) {
    const head = new ResponseHead();
    super(limits, sink, head.headers);
    this.head = head;
    this.#sink = sink;
  }

  /** The method of the request that the next response answers: it decides about the body. */
  expect(method: string): void {
    this.#withoutBody = method === "HEAD";
    this.#toConnect = method === "CONNECT";
  }

  protected get contentLength(): number {
    return this.head.contentLength;
  }

  protected override mayRepair({ code }: CodecError): boolean {
    switch (code) {
      case "bad-header-name":
      case "bad-header-value":
      case "obsolete-folding":
      case "bare-line-feed":
        return this.#sink.repairsHeads === true;
      default:
        return false;
    }
  }

  protected override repaired(repairs: readonly Repair[]): void {
    this.#sink.onRepaired?.(repairs);
  }

  protected emitHead(): void {
    this.#sink.onResponseHead(this.head);
  }

  protected startLine(bytes: Uint8Array, start: number): number {
    const length = bytes.length;
    for (let index = 0; index < PREFIX.length; index++) {
      if (bytes[start + index] !== PREFIX.charCodeAt(index)) return this.#badStart(bytes, start);
    }
    const minor = bytes[start + 7]! - 48;
    const hundreds = bytes[start + 9]! - 48;
    const tens = bytes[start + 10]! - 48;
    const ones = bytes[start + 11]! - 48;
    let at = start + STATUS_FORM - 1;
    const fits =
      (minor === 0 || minor === 1) &&
      bytes[start + 8] === SPACE &&
      hundreds >= 1 &&
      hundreds <= 9 &&
      isDigit(tens) &&
      isDigit(ones) &&
      (bytes[at] === SPACE || bytes[at] === CR);
    if (!fits) return this.#badStart(bytes, start);
    while (at < length && FIELD_VALUE[bytes[at]!] === 1) at++;
    if (at >= length || (bytes[at] === CR && at + 1 >= length)) return 0;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) {
      return bytes[at] === LF
        ? this.fail("bare-line-feed", "a line ends without a carriage return")
        : this.fail("bad-status-line", "a control character in the status line");
    }
    this.head.minorVersion = minor;
    this.head.status = hundreds * 100 + tens * 10 + ones;
    return at + 2;
  }

  /** 0 where the line is not whole yet, else what is wrong with it. */
  #badStart(bytes: Uint8Array, start: number): 0 | -1 {
    let index = 0;
    while (start + index < bytes.length && fitsStatusLine(bytes[start + index]!, index)) index++;
    if (start + index >= bytes.length) return 0;
    if (index === STATUS_FORM - 1 && bytes[start + index] === LF) {
      return this.fail("bare-line-feed", "a line ends without a carriage return");
    }
    return this.fail("bad-status-line", "the response does not start with HTTP/1.x and a status");
  }

  protected finishHead(): BodyFraming | null {
    const head = this.head;
    const options = connectionOptions(head.headers);
    head.keepAlive =
      head.minorVersion === 1 ? (options & CLOSE) === 0 : (options & (KEEP | CLOSE)) === KEEP;
    const framing = this.#bodyFraming();
    if (framing === null) return null;
    head.framing = framing;
    // Without a length the end of the connection ends the body.
    if (framing === "until-close") head.keepAlive = false;
    if ((options & NOMINATES) !== 0) head.headers.removeNominated();
    return framing;
  }

  /** RFC 9112, 6.3. */
  #bodyFraming(): BodyFraming | null {
    const head = this.head;
    const headers = head.headers;
    const chunked = headers.has(TRANSFER_ENCODING);
    const length = headers.has(CONTENT_LENGTH);
    head.contentLength = 0;
    // A 2xx to CONNECT starts the tunnel, whatever its fields say.
    if (this.#toConnect && head.status >= 200 && head.status < 300) return "none";
    if (length) {
      head.contentLength = contentLengthOf(headers);
      if (head.contentLength < 0) {
        this.fail("bad-content-length", "Content-Length is not one plain number", "content-length");
        return null;
      }
    }
    if (chunked && length) {
      // Also where no body follows: who answers HEAD like this answers GET like this.
      this.fail("conflicting-framing", "both Content-Length and Transfer-Encoding", TRANSFER);
      return null;
    }
    if (this.#withoutBody || head.status < 200 || head.status === 204 || head.status === 304) {
      return "none";
    }
    if (chunked) {
      if (head.minorVersion === 0) {
        this.fail("conflicting-framing", "Transfer-Encoding in an HTTP/1.0 response", TRANSFER);
        return null;
      }
      if (isChunkedAlone(headers)) return "chunked";
      this.fail("unsupported-transfer-coding", "a transfer coding other than chunked", TRANSFER);
      return null;
    }
    if (!length) return "until-close";
    return "length";
  }
}

function isDigit(value: number): boolean {
  return value >= 0 && value <= 9;
}

/** Whether the byte can stand at that place of "HTTP/1.x NNN ". */
function fitsStatusLine(byte: number, index: number): boolean {
  switch (index) {
    case 7:
      return byte === 48 || byte === 49;
    case 8:
      return byte === SPACE;
    case 9:
      return byte >= 49 && byte <= 57;
    case 10:
    case 11:
      return byte >= 48 && byte <= 57;
    case 12:
      return byte === SPACE || byte === CR;
    default:
      return byte === PREFIX.charCodeAt(index);
  }
}
