import { badAuthorityAt, CR, latin1, LF, listItems, SPACE, TARGET, TOKEN_LOWER } from "../ascii.ts";
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

export const MAX_METHOD_LENGTH = 24;
const SLASH = 47;
const DOT = 46;
const PERCENT = 37;
const QUESTION = 63;
const HASH = 35;
const BACKSLASH = 92;
/** 0 stands for any digit. */
const VERSION_FORM = "HTTP/0.0";
const TRANSFER = "transfer-encoding";

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
    const isPath = bytes[start] === SLASH && head.method !== "CONNECT";
    if (!isPath && !this.#otherForm(bytes, start, at)) return -1;
    return at + 1;
  }

  /** Asterisk form and absolute form (RFC 9112, 3.2); authority form belongs to CONNECT. */
  #otherForm(bytes: Uint8Array, start: number, end: number): boolean {
    const head = this.head;
    const target = latin1(bytes, start, end);
    if (head.method === "CONNECT") {
      head.authority = target;
      if (/[^:]:\d+$/.test(target) && badAuthorityAt(bytes, start, end) < 0) return true;
      this.fail("bad-target", "the target of CONNECT is not host:port");
      return false;
    }
    if (target === "*" && head.method === "OPTIONS") return true;
    const absolute = /^(https?:\/\/)([^/?#@\\]+)([/?].*)?$/i.exec(target);
    if (absolute === null) {
      this.fail("bad-target", "the request target is neither a path nor an http address");
      return false;
    }
    const [, scheme, authority, rest] = absolute;
    const from = start + scheme!.length;
    // An http address without a host is invalid (RFC 9110, 4.2.1).
    if (authority!.startsWith(":") || badAuthorityAt(bytes, from, from + authority!.length) >= 0) {
      this.fail("bad-target", "the host in the request target is none");
      return false;
    }
    head.authority = authority!;
    if (rest === undefined) head.rewritten = head.method === "OPTIONS" ? "*" : "/";
    else head.rewritten = rest.startsWith("/") ? rest : `/${rest}`;
    // Found out anew: the scheme's own slashes are not the path's.
    head.unusualPath = /^[^?]*(%|\\|\/\/|\/\.)/.test(head.rewritten);
    return true;
  }

  #version(bytes: Uint8Array, at: number): number {
    const isOne =
      bytes[at] === 72 &&
      bytes[at + 1] === 84 &&
      bytes[at + 2] === 84 &&
      bytes[at + 3] === 80 &&
      bytes[at + 4] === 47 &&
      bytes[at + 5] === 49 &&
      bytes[at + 6] === DOT;
    const minor = bytes[at + 7]! - 48;
    if (isOne && (minor === 0 || minor === 1) && bytes[at + 8] === CR && bytes[at + 9] === LF) {
      this.head.minorVersion = minor;
      return at + 10;
    }
    return this.#otherVersion(bytes, at);
  }

  /** 0 where the line is not whole yet, else what is wrong with it. */
  #otherVersion(bytes: Uint8Array, at: number): 0 | -1 {
    for (let index = 0; index < VERSION_FORM.length; index++) {
      if (at + index >= bytes.length) return 0;
      const form = VERSION_FORM[index]!;
      const char = String.fromCharCode(bytes[at + index]!);
      if (form === "0" ? char < "0" || char > "9" : char !== form) {
        return this.fail("bad-request-line", "the request line does not end with a version");
      }
    }
    const text = latin1(bytes, at, at + VERSION_FORM.length);
    if (text !== "HTTP/1.0" && text !== "HTTP/1.1") {
      const found = `${text} is not spoken here, HTTP/1.0 and HTTP/1.1 are`;
      return this.fail("unsupported-version", found);
    }
    const behind = bytes[at + VERSION_FORM.length];
    if (behind === undefined) return 0;
    if (behind === LF) return this.fail("bare-line-feed", "a line ends without a carriage return");
    if (behind === CR && at + VERSION_FORM.length + 1 >= bytes.length) return 0;
    return this.fail("bad-request-line", "something stands behind the version");
  }

  protected finishHead(): BodyFraming | null {
    const head = this.head;
    const headers = head.headers;
    if (!this.#checkHost()) return null;
    const options = connectionOptions(headers);
    head.keepAlive =
      head.minorVersion === 1 ? (options & CLOSE) === 0 : (options & (KEEP | CLOSE)) === KEEP;
    head.upgrade =
      (options & UPGRADE_OPTION) !== 0 &&
      headers.has(UPGRADE) &&
      head.minorVersion === 1 &&
      !hidesRequests(headers.get("upgrade")!);
    head.framing = this.#bodyFraming();
    if (head.framing === "until-close") return null;
    if ((options & NOMINATES) !== 0) headers.removeNominated();
    return head.framing;
  }

  #checkHost(): boolean {
    const { headers, minorVersion } = this.head;
    if ((headers.repeated & (1 << HOST)) !== 0) {
      this.fail("repeated-host", "more than one Host header (RFC 9112, 3.2)", "host");
      return false;
    }
    if (!headers.has(HOST)) {
      if (minorVersion === 0) return true;
      this.fail("missing-host", "an HTTP/1.1 request without a Host header (RFC 9112, 3.2)");
      return false;
    }
    const end = headers.knownEnd(HOST);
    const bad = badAuthorityAt(headers.bytes, headers.knownStart(HOST), end);
    if (bad < 0) return true;
    const found = bad === end ? "an open bracket" : `byte 0x${hex(headers.bytes[bad]!)}`;
    this.fail("bad-host", `${found} in the Host header, expected host or host:port`, "host");
    return false;
  }

  /** RFC 9112, 6.3; `until-close` stands for an error that was told. */
  #bodyFraming(): BodyFraming {
    const head = this.head;
    const headers = head.headers;
    const chunked = headers.has(TRANSFER_ENCODING);
    const length = headers.has(CONTENT_LENGTH);
    head.contentLength = 0;
    if (!chunked && !length) return "none";
    if (head.method === "CONNECT") {
      // It has no content (RFC 9110, 9.3.6): some would read these bytes as the tunnel's.
      this.fail("conflicting-framing", "a CONNECT request with a body");
      return "until-close";
    }
    if (chunked && (length || head.minorVersion === 0)) {
      this.fail(
        "conflicting-framing",
        length
          ? "both Content-Length and Transfer-Encoding"
          : "Transfer-Encoding in an HTTP/1.0 request",
        TRANSFER,
      );
      return "until-close";
    }
    if (chunked) {
      if (isChunkedAlone(headers)) return "chunked";
      const codings = listItems(headers.get("transfer-encoding")!);
      if (codings.length > 0 && codings.indexOf("chunked") === codings.length - 1) {
        this.fail("unsupported-transfer-coding", "a transfer coding other than chunked", TRANSFER);
      } else {
        this.fail("conflicting-framing", "the last transfer coding is not chunked", TRANSFER);
      }
      return "until-close";
    }
    const value = contentLengthOf(headers);
    if (value < 0) {
      this.fail("bad-content-length", "Content-Length is not one plain number", "content-length");
      return "until-close";
    }
    head.contentLength = value;
    return value === 0 ? "none" : "length";
  }
}

/**
 * A switch to another HTTP or to TLS (RFC 9113, RFC 2817) would carry requests past every route and
 * policy: it is not passed on, and the request goes its way as HTTP/1.1.
 */
function hidesRequests(protocols: string): boolean {
  return listItems(protocols).some((protocol) => /^(?:h2c?|http|tls)(?:\/|$)/.test(protocol));
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
