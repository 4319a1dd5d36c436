/**
 * Names that frame a message or belong to one connection: the proxy writes them itself (RFC 9110,
 * 7.6.1; RFC 9112, 6). Lower case.
 */
export const FRAMING_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
