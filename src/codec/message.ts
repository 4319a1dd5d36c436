import { latin1 } from "./ascii.ts";
import { HeaderBlock } from "./headers.ts";

/**
 * The heads of a request and of a response, the same for every HTTP version. They are made once a
 * connection and filled again for each message: copy what must outlive the message.
 */

/** How the end of a body is told. */
export type BodyFraming = "none" | "length" | "chunked" | "until-close";

export class RequestHead {
  readonly headers = new HeaderBlock();
  method = "";
  /** Path and query in `headers.bytes`, unless `rewritten` holds another. */
  targetStart = 0;
  targetEnd = 0;
  /** End of the path: where the query starts, or `targetEnd`. */
  pathEnd = 0;
  /** Path and query after normalisation or a rewrite; null where they stand as they came. */
  rewritten: string | null = null;
  /** The target's authority where it was in absolute form; else the Host header counts. */
  authority: string | null = null;
  /** 0 or 1: the minor version. */
  minorVersion = 1;
  framing: BodyFraming = "none";
  /** Of a body with `length` framing. */
  contentLength = 0;
  keepAlive = true;
  /** An upgrade was asked for (RFC 9110, 7.8). */
  upgrade = false;
  /** Dots, doubled slashes or percent signs in the path: compare it only after normalising. */
  unusualPath = false;

  /** Path and query. */
  get target(): string {
    return this.rewritten ?? latin1(this.headers.bytes, this.targetStart, this.targetEnd);
  }

  /** The path without its query. */
  get path(): string {
    if (this.rewritten === null) {
      return latin1(this.headers.bytes, this.targetStart, this.pathEnd);
    }
    const query = this.rewritten.indexOf("?");
    return query < 0 ? this.rewritten : this.rewritten.slice(0, query);
  }

  /** The authority as it was sent, port and all; empty where there is none (HTTP/1.0). */
  get host(): string {
    return this.authority ?? this.headers.known(1) ?? "";
  }
}

export class ResponseHead {
  readonly headers = new HeaderBlock();
  status = 0;
  minorVersion = 1;
  framing: BodyFraming = "none";
  contentLength = 0;
  /** The sender keeps the connection open after this message. */
  keepAlive = true;
}

export type CodecErrorCode =
  | "bad-request-line"
  | "bad-status-line"
  | "bad-target"
  | "unsupported-version"
  | "bad-header-name"
  | "bad-header-value"
  | "obsolete-folding"
  | "bare-line-feed"
  | "header-too-large"
  | "too-many-headers"
  | "missing-host"
  | "repeated-host"
  | "bad-host"
  | "bad-content-length"
  | "conflicting-framing"
  | "unsupported-transfer-coding"
  | "bad-chunk"
  | "bad-trailer"
  | "truncated"
  | "unexpected-data";

/** Why a message could not be read. Returned, never thrown: bad input is no bug. */
export class CodecError {
  /** @param header the name of the header that it is about, made printable; null where it is none */
  constructor(
    readonly code: CodecErrorCode,
    readonly message: string,
    readonly header: string | null = null,
  ) {}

  /** In one line, for whoever has to find the cause. */
  get text(): string {
    const header = this.header === null || this.header === "" ? "" : `, header ${this.header}`;
    return `${this.code}: ${this.message}${header}`;
  }

  /** The answer that a server gives for it. */
  get status(): number {
    switch (this.code) {
      case "header-too-large":
      case "too-many-headers":
        return 431;
      case "unsupported-transfer-coding":
        return 501;
      case "unsupported-version":
        return 505;
      default:
        return 400;
    }
  }
}

/** Of a malformed name so much is told. */
export const MAX_LABEL = 64;

/** A header's name as it came, for logs: what is not printable ASCII becomes `?`. */
export function headerLabel(bytes: Uint8Array, start: number, end: number): string {
  const cut = Math.min(end, start + MAX_LABEL);
  return latin1(bytes, start, cut).trim().replace(/[^\x20-\x7e]/g, "?");
}
