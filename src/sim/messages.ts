/**
 * HTTP/1.1 messages as the simulated clients and upstreams read them: a reader of its own, small
 * and slow, so that a mistake of codec/ is not shared by what judges it.
 */

export interface Message {
  readonly startLine: string;
  /** Names in lower case; several values joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** One character a byte. */
  readonly body: string;
  readonly trailers: ReadonlyMap<string, string>;
  readonly framing: "none" | "length" | "chunked" | "until-close";
}

/** `next` is where the message ends; null where more must come first. */
export type Reading = { readonly message: Message; readonly next: number } | null;

export class BadMessage extends Error {}

const HEAD_END = Buffer.from("\r\n\r\n");

/** Reads a request. @throws BadMessage */
export function readRequest(bytes: Buffer): Reading {
  return read(bytes, (_line, headers) => {
    if (headers.has("transfer-encoding")) return "chunked";
    return headers.has("content-length") ? "length" : "none";
  });
}

/** Reads a response to `method`; `ended` is true when the peer's FIN came. @throws BadMessage */
export function readResponse(bytes: Buffer, method: string, ended: boolean): Reading {
  const reading = read(bytes, (line, headers) => {
    const status = statusOf(line);
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return "none";
    if (headers.has("transfer-encoding")) return "chunked";
    return headers.has("content-length") ? "length" : "until-close";
  });
  return reading?.message.framing === "until-close" && !ended ? null : reading;
}

export function statusOf(startLine: string): number {
  const match = /^HTTP\/1\.1 ([1-9]\d\d) [\x20-\x7e]*$/.exec(startLine);
  if (match === null) throw new BadMessage(`not a status line: ${JSON.stringify(startLine)}`);
  return Number(match[1]);
}

type FramingOf = (line: string, headers: ReadonlyMap<string, string>) => Message["framing"];

function read(bytes: Buffer, framingOf: FramingOf): Reading {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return null;
  const [startLine, ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const headers = fields(lines);
  const framing = framingOf(startLine!, headers);
  const start = headEnd + HEAD_END.length;
  const none = new Map<string, string>();
  const whole = (body: string, next: number, trailers = none): Reading => ({
    message: { startLine: startLine!, headers, body, trailers, framing },
    next,
  });
  switch (framing) {
    case "none":
      return whole("", start);
    case "until-close":
      return whole(bytes.toString("latin1", start), bytes.length);
    case "length": {
      const text = headers.get("content-length")!;
      if (!/^\d+$/.test(text)) throw new BadMessage(`content-length: ${text}`);
      const end = start + Number(text);
      return bytes.length < end ? null : whole(bytes.toString("latin1", start, end), end);
    }
    case "chunked": {
      const chunked = readChunks(bytes, start);
      return chunked === null ? null : whole(chunked.body, chunked.next, chunked.trailers);
    }
  }
}

function readChunks(
  bytes: Buffer,
  start: number,
): { body: string; next: number; trailers: Map<string, string> } | null {
  let body = "";
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const line = bytes.toString("latin1", at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) throw new BadMessage(`chunk size ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) {
      if (bytes.toString("latin1", at, at + 2) === "\r\n") {
        return { body, next: at + 2, trailers: new Map() };
      }
      const end = bytes.indexOf(HEAD_END, at);
      if (end < 0) return null;
      const lines = bytes.toString("latin1", at, end).split("\r\n");
      return { body, next: end + HEAD_END.length, trailers: fields(lines) };
    }
    if (bytes.length < at + size + 2) return null;
    body += bytes.toString("latin1", at, at + size);
    at += size + 2;
    if (bytes.toString("latin1", at - 2, at) !== "\r\n") throw new BadMessage("a chunk's end");
  }
}

function fields(lines: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of lines) {
    const match = /^([!-9;-~]+): ?(.*)$/.exec(line);
    if (match === null) throw new BadMessage(`header line ${JSON.stringify(line)}`);
    const name = match[1]!.toLowerCase();
    const before = found.get(name);
    found.set(name, before === undefined ? match[2]! : `${before}, ${match[2]!}`);
  }
  return found;
}
