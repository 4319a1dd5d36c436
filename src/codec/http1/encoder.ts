import { listItems } from "../ascii.ts";
import type { ByteWriter } from "../byte_writer.ts";
import { CONTENT_LENGTH, EXPECT, HOP_BY_HOP, HOST, TE, UPGRADE } from "../headers.ts";
import { type BodyFraming, type RequestHead, type ResponseHead } from "../message.ts";

/** Room that a head needs besides its own bytes: start line, framing and connection lines. */
export const HEAD_SLACK = 512;

/** An upper bound of what `writeRequestHead` produces. */
export function requestHeadSize(head: RequestHead): number {
  const arrived = head.targetEnd - head.targetStart;
  const target = head.rewritten === null ? arrived : head.rewritten.length;
  const authority = head.authority === null ? 0 : head.authority.length;
  return head.headers.byteLength + head.method.length + target + authority + HEAD_SLACK;
}

/** A request's head for the next hop: hop-by-hop fields left out, framing written anew. */
export function writeRequestHead(out: ByteWriter, head: RequestHead): void {
  const headers = head.headers;
  out.text(head.method);
  if (head.rewritten === null) {
    // The blank in front of the target and the one behind it come along.
    out.copy(headers.bytes, head.targetStart - 1, head.targetEnd + 1);
  } else {
    out.text(" ");
    out.text(head.rewritten);
    out.text(" ");
  }
  out.text("HTTP/1.1\r\n");
  let without = HOP_BY_HOP;
  if (head.authority !== null || !headers.has(HOST)) {
    // The target's authority wins over Host (RFC 9112, 3.2.2); HTTP/1.1 asks for the header even
    // where an HTTP/1.0 request came without. A Host that was set here is written with the others.
    without |= 1 << HOST;
    if (!headers.isAdded("host")) {
      out.text("host: ");
      out.text(head.authority ?? "");
      out.text("\r\n");
    }
  }
  if (head.framing === "chunked") {
    without |= 1 << CONTENT_LENGTH;
    out.text("transfer-encoding: chunked\r\n");
  }
  if (head.upgrade && headers.has(UPGRADE)) {
    out.text("connection: upgrade\r\nupgrade: ");
    out.text(headers.known(UPGRADE)!);
    out.text("\r\n");
  } else if (headers.has(TE) && listItems(headers.get("te")!).includes("trailers")) {
    out.text("te: trailers\r\nconnection: te\r\n");
  }
  if (head.minorVersion === 0) without |= 1 << EXPECT;
  headers.write(out, without);
  out.text("\r\n");
}

/** An upper bound of what `writeResponseHead` produces. */
export function responseHeadSize(head: ResponseHead): number {
  return head.headers.byteLength + HEAD_SLACK;
}

/** A response's head for the caller. `framing` is that of the body as it will be sent. */
export function writeResponseHead(
  out: ByteWriter,
  head: ResponseHead,
  minorVersion: number,
  framing: BodyFraming,
  keepAlive: boolean,
): void {
  const status = head.status;
  out.text(statusLine(status));
  let without = HOP_BY_HOP;
  // RFC 9110, 8.6: no Content-Length in 1xx and 204.
  if (status < 200 || status === 204 || framing === "chunked" || framing === "until-close") {
    without |= 1 << CONTENT_LENGTH;
  }
  if (status === 101) {
    out.text("connection: upgrade\r\n");
    const protocol = head.headers.known(UPGRADE);
    if (protocol !== null) {
      out.text("upgrade: ");
      out.text(protocol);
      out.text("\r\n");
    }
  } else if (status >= 200) {
    if (framing === "chunked") out.text("transfer-encoding: chunked\r\n");
    if (!keepAlive || framing === "until-close") out.text("connection: close\r\n");
    else if (minorVersion === 0) out.text("connection: keep-alive\r\n");
  }
  head.headers.write(out, without);
  out.text("\r\n");
}

/** Framing and connection of a local response hang on its body and its caller alone. */
const WRITTEN_HERE: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

/** A whole small response that is made here: errors, canned answers, direct answers. */
export function writeLocalResponse(
  out: ByteWriter,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  options: { minorVersion: number; keepAlive: boolean; withoutBody: boolean },
): void {
  out.text(statusLine(status));
  for (const name in headers) {
    if (WRITTEN_HERE.has(name.toLowerCase())) continue;
    out.text(name);
    out.text(": ");
    out.text(headers[name]!);
    out.text("\r\n");
  }
  // A 304 would have to tell the length of the 200 that it stands for (RFC 9110, 8.6).
  const hasBody = status >= 200 && status !== 204 && status !== 304;
  if (hasBody) {
    out.text("content-length: ");
    out.decimal(body.length);
    out.text("\r\n");
  }
  if (!options.keepAlive) out.text("connection: close\r\n");
  else if (options.minorVersion === 0) out.text("connection: keep-alive\r\n");
  out.text("\r\n");
  if (!options.withoutBody && hasBody) out.copy(body, 0, body.length);
}

/** An upper bound of what `writeLocalResponse` produces. */
export function localResponseSize(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): number {
  let size = HEAD_SLACK + body.length;
  for (const name in headers) size += name.length + headers[name]!.length + 4;
  return size;
}

/** The largest frame around one chunk's data: size line and both line ends. */
export const CHUNK_SLACK = 20;
export const LAST_CHUNK = "0\r\n\r\n";

const STATUS_LINES = new Map<number, string>();

function statusLine(status: number): string {
  let line = STATUS_LINES.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n`;
    STATUS_LINES.set(status, line);
  }
  return line;
}

/** Reason phrases (RFC 9110, 15). */
export const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  511: "Network Authentication Required",
};
