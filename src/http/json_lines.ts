import { parseJson } from "../base/json.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "./client.ts";
import type { ServerAnswer, StreamWriter } from "./server.ts";

/** Of lines that a reader has not taken; what comes on top is dropped and counted. */
const MAX_QUEUED_BYTES = 256 * 1024;
/** A longer line than this is not read but counted as bad. */
const MAX_LINE_BYTES = 1024 * 1024;

const JSON_LINES_TYPE = "application/jsonl";

/** Takes what happens and passes it to a reader, who may be slower than it happens. */
export interface JsonLineWriter {
  /** False where it was dropped: the reader is behind, or gone. */
  write(value: unknown): boolean;
  /** Adds to the count of what was lost on the way, here or before. */
  lose(count: number): void;
  /** The answer is whole: what was lost is said, then the reader gets its end. */
  end(): void;
}

/**
 * An answer of JSON lines for as long as things happen. A reader that is behind loses lines, never
 * memory: where it has room again comes a line `{"lost": N}` in their place. A reader that takes
 * nothing at all for 30 s is dropped by the server.
 *
 * @param start begins it; returns what to do when the reader has gone or the stream was ended
 */
export function jsonLinesAnswer(start: (lines: JsonLineWriter) => () => void): ServerAnswer {
  return {
    status: 200,
    headers: { "content-type": JSON_LINES_TYPE, "cache-control": "no-store" },
    stream: (writer) => start(new BoundedLines(writer)),
  };
}

class BoundedLines implements JsonLineWriter {
  readonly #writer: StreamWriter;
  #lost = 0;

  constructor(writer: StreamWriter) {
    this.#writer = writer;
  }

  write(value: unknown): boolean {
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    if (this.#writer.queuedBytes + line.length > MAX_QUEUED_BYTES) {
      this.#lost++;
      return false;
    }
    this.#sayLost();
    return this.#writer.write(line);
  }

  lose(count: number): void {
    this.#lost += count;
    if (this.#writer.queuedBytes < MAX_QUEUED_BYTES) this.#sayLost();
  }

  end(): void {
    this.#sayLost();
    this.#writer.end();
  }

  #sayLost(): void {
    if (this.#lost === 0) return;
    this.#writer.write(`{"lost":${this.#lost}}\n`);
    this.#lost = 0;
  }
}

/** `lost` lines fell out on the way, or `value` came. */
export type JsonLine = { readonly lost: number } | { readonly value: unknown };

/**
 * Reads such an answer until it ends or `request.abort` ends it. An answer with another status than
 * 200 comes back with its body and no lines. A text that is no JSON counts as lost.
 * @throws HttpError
 */
export async function readJsonLines(
  client: HttpClient,
  request: Omit<HttpRequest, "onBody" | "onHead">,
  onLine: (line: JsonLine) => void,
): Promise<HttpAnswer> {
  const reader = new LineReader(onLine);
  let isLines = false;
  const other: Uint8Array[] = [];
  const answer = await client.request({
    ...request,
    onHead: (status) => (isLines = status === 200),
    onBody: (bytes) => {
      if (isLines) reader.feed(bytes);
      else if (other.length < 64) other.push(Uint8Array.from(bytes));
    },
  });
  return isLines ? answer : { ...answer, body: Buffer.concat(other) };
}

class LineReader {
  readonly #onLine: (line: JsonLine) => void;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(onLine: (line: JsonLine) => void) {
    this.#onLine = onLine;
  }

  feed(bytes: Uint8Array): void {
    let from = 0;
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, from)) {
      this.#keep(bytes.subarray(from, at));
      this.#line();
      from = at + 1;
    }
    this.#keep(bytes.subarray(from));
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    // The rest of an overlong line is not kept.
    if (this.#bytes <= MAX_LINE_BYTES) this.#parts.push(Uint8Array.from(part));
  }

  #line(): void {
    const text = this.#bytes > MAX_LINE_BYTES ? "" : Buffer.concat(this.#parts).toString();
    this.#parts = [];
    this.#bytes = 0;
    const value = parseJson(text);
    if (value === undefined) return this.#onLine({ lost: 1 });
    const lost = lostOf(value);
    this.#onLine(lost === null ? { value } : { lost });
  }
}

function lostOf(value: unknown): number | null {
  if (typeof value !== "object" || value === null) return null;
  const keys = Object.keys(value);
  const { lost } = value as { readonly lost?: unknown };
  return keys.length === 1 && typeof lost === "number" ? lost : null;
}
