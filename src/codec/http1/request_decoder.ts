import { CR, latin1, LF, SPACE, TARGET, TOKEN_LOWER } from "../ascii.ts";
import { CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE } from "../headers.ts";
import { type BodyFraming, RequestHead } from "../message.ts";
import { Decoder, type BodySink, type DecoderLimits, hex } from "./decoder.ts";
import {
  CLOSE,
  connectionOptions,
  contentLengthOf,
  isChunkedAlone,
  KEEP,
  NOMINATES,
  UPGRADE_OPTION,
} from "./framing.ts";

export interface RequestSink extends BodySink {
  onRequestHead(head: RequestHead): void;
}

const MAX_METHOD_LENGTH = 24;
const SLASH = 47;
const DOT = 46;
const PERCENT = 37;
const QUESTION = 63;
const HASH = 35;
const BACKSLASH = 92;

/** Reads the requests of one connection (RFC 9112, 3). */
export class RequestDecoder extends Decoder {
  readonly head: RequestHead;
  readonly #sink: RequestSink;

  constructor(limits: DecoderLimits, sink: RequestSink) {
    const head = new RequestHead();
    super(limits, sink, head.headers);
    this.head = head;
    this.#sink = sink;
  }

  protected get contentLength(): number {
    return this.head.contentLength;
  }

  protected emitHead(): void {
    this.#sink.onRequestHead(this.head);
  }

  protected startLine(bytes: Uint8Array, start: number): number {
    const length = bytes.length;
    let at = start;
    while (at < length && TOKEN_LOWER[bytes[at]!] !== 0) at++;
    if (at - start > MAX_METHOD_LENGTH) {
      return this.fail("bad-request-line", `a method longer than ${MAX_METHOD_LENGTH} bytes`);
    }
    if (at >= length) return 0;
    if (bytes[at] !== SPACE || at === start) {
      return this.fail("bad-request-line", `byte 0x${hex(bytes[at]!)} in the method`);
    }
    this.head.method = methodOf(bytes, start, at);
    at = this.#target(bytes, at + 1);
    return at <= 0 ? at : this.#version(bytes, at);
  }

  /** Returns the position behind the blank that ends the target. */
  #target(bytes: Uint8Array, start: number): number {
    const head = this.head;
    const length = bytes.length;
    head.rewritten = null;
    head.authority = null;
    head.unusualPath = false;
    head.pathEnd = 0;
    let unusual = false;
    let previous = 0;
    let at = start;
    for (; at < length; at++) {
      const byte = bytes[at]!;
      if (byte === SPACE) break;
      if (TARGET[byte] === 0 || byte === HASH) {
        return this.fail("bad-target", `byte 0x${hex(byte)} in the request target`);
      }
      if (head.pathEnd === 0) {
        if (byte === QUESTION) head.pathEnd = at;
        else if (byte === PERCENT || byte === BACKSLASH) unusual = true;
        else if (previous === SLASH && (byte === SLASH || byte === DOT)) unusual = true;
      }
      previous = byte;
    }
    if (at >= length) return 0;
    if (at === start) return this.fail("bad-target", "an empty request target");
    head.targetStart = start;
    head.targetEnd = at;
    if (head.pathEnd === 0) head.pathEnd = at;
    head.unusualPath = unusual;
    if (bytes[start] !== SLASH && !this.#otherForm(bytes, start, at)) return -1;
    return at + 1;
  }

  /** Asterisk form and absolute form (RFC 9112, 3.2); authority form belongs to CONNECT. */
  #otherForm(bytes: Uint8Array, start: number, end: number): boolean {
    const head = this.head;
    const target = latin1(bytes, start, end);
    if (head.method === "CONNECT") {
      head.authority = target;
      return true;
    }
    if (target === "*" && head.method === "OPTIONS") return true;
    const absolute = /^https?:\/\/([^/?#@\\]+)([/?].*)?$/i.exec(target);
    if (absolute === null) {
      this.fail("bad-target", "the request target is neither a path nor an http address");
      return false;
    }
    const rest = absolute[2] ?? "/";
    head.authority = absolute[1]!;
    head.rewritten = rest.startsWith("/") ? rest : `/${rest}`;
    // Found out anew: the scheme's own slashes are not the path's.
    head.unusualPath = /^[^?]*(%|\\|\/\/|\/\.)/.test(head.rewritten);
    return true;
  }

  #version(bytes: Uint8Array, at: number): number {
    if (at + 10 > bytes.length) {
      // Say so early where it cannot become a version any more.
      const expected = "HTTP/1.";
      for (let index = 0; index < expected.length && at + index < bytes.length; index++) {
        if (bytes[at + index] !== expected.charCodeAt(index)) return this.#badVersion(bytes, at);
      }
      return 0;
    }
    const isOne =
      bytes[at] === 72 &&
      bytes[at + 1] === 84 &&
      bytes[at + 2] === 84 &&
      bytes[at + 3] === 80 &&
      bytes[at + 4] === 47 &&
      bytes[at + 5] === 49 &&
      bytes[at + 6] === DOT;
    const minor = bytes[at + 7]! - 48;
    if (!isOne || (minor !== 0 && minor !== 1)) return this.#badVersion(bytes, at);
    if (bytes[at + 8] !== CR || bytes[at + 9] !== LF) {
      if (bytes[at + 8] === LF) {
        return this.fail("bare-line-feed", "a line ends without a carriage return");
      }
      return this.fail("bad-request-line", "something stands behind the version");
    }
    this.head.minorVersion = minor;
    return at + 10;
  }

  #badVersion(bytes: Uint8Array, at: number): -1 {
    const text = latin1(bytes, at, Math.min(at + 8, bytes.length));
    if (/^HTTP\/\d\.\d$/.test(text)) {
      return this.fail("unsupported-version", `${text} is not spoken here, HTTP/1.0 and HTTP/1.1 are`);
    }
    return this.fail("bad-request-line", "the request line does not end with a version");
  }

  protected finishHead(): BodyFraming | null {
    const head = this.head;
    const headers = head.headers;
    if (!this.#checkHost()) return null;
    const options = connectionOptions(headers);
    head.keepAlive =
      head.minorVersion === 1 ? (options & CLOSE) === 0 : (options & (KEEP | CLOSE)) === KEEP;
    head.upgrade =
      (options & UPGRADE_OPTION) !== 0 && headers.has(UPGRADE) && head.minorVersion === 1;
    head.framing = this.#bodyFraming();
    if (head.framing === "until-close") return null;
    if ((options & NOMINATES) !== 0) headers.removeNominated();
    return head.framing;
  }

  #checkHost(): boolean {
    const { headers, minorVersion } = this.head;
    if ((headers.repeated & (1 << HOST)) !== 0) {
      this.fail("repeated-host", "more than one Host header (RFC 9112, 3.2)");
      return false;
    }
    if (!headers.has(HOST)) {
      if (minorVersion === 0) return true;
      this.fail("missing-host", "an HTTP/1.1 request without a Host header (RFC 9112, 3.2)");
      return false;
    }
    const end = headers.knownEnd(HOST);
    for (let at = headers.knownStart(HOST); at < end; at++) {
      const byte = headers.bytes[at]!;
      if (TARGET[byte] === 1 && byte !== SLASH && byte !== 64 && byte !== QUESTION && byte !== 44) {
        continue;
      }
      this.fail("bad-host", `byte 0x${hex(byte)} in the Host header`);
      return false;
    }
    return true;
  }

  /** RFC 9112, 6.3; `until-close` stands for an error that was told. */
  #bodyFraming(): BodyFraming {
    const head = this.head;
    const headers = head.headers;
    const chunked = headers.has(TRANSFER_ENCODING);
    const length = headers.has(CONTENT_LENGTH);
    head.contentLength = 0;
    if (!chunked && !length) return "none";
    if (chunked && (length || head.minorVersion === 0)) {
      this.fail(
        "conflicting-framing",
        length
          ? "both Content-Length and Transfer-Encoding"
          : "Transfer-Encoding in an HTTP/1.0 request",
      );
      return "until-close";
    }
    if (chunked) {
      if (isChunkedAlone(headers)) return "chunked";
      const coding = headers.get("transfer-encoding")!;
      if (/(^|,)\s*chunked$/i.test(coding) && !/chunked.*chunked/i.test(coding)) {
        this.fail("unsupported-transfer-coding", "a transfer coding other than chunked");
      } else {
        this.fail("conflicting-framing", "the last transfer coding is not chunked");
      }
      return "until-close";
    }
    const value = contentLengthOf(headers);
    if (value < 0) {
      this.fail("bad-content-length", "Content-Length is not one plain number");
      return "until-close";
    }
    head.contentLength = value;
    return value === 0 ? "none" : "length";
  }
}

/** The usual methods without making a string each time. */
function methodOf(bytes: Uint8Array, start: number, end: number): string {
  const first = bytes[start];
  switch (end - start) {
    case 3:
      if (first === 71 && bytes[start + 1] === 69 && bytes[start + 2] === 84) return "GET";
      break;
    case 4:
      if (first === 80 && bytes[start + 1] === 79 && bytes[start + 2] === 83) {
        if (bytes[start + 3] === 84) return "POST";
      }
      break;
  }
  return latin1(bytes, start, end);
}
