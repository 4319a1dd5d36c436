import { FRAMING_HEADERS } from "../../api/framing_headers.ts";
import type { FilterHeaders, FilterRequest, FilterResponse } from "../../api/user_filter.ts";
import { type HeaderBlock, isFieldName, isFieldValue } from "../../codec/headers.ts";
import type { ResponseHead } from "../../codec/message.ts";
import type { Stream } from "../stream.ts";

/**
 * What a user's filter sees of a stream. Streams and heads are used again for later requests, and a
 * user's code may keep what it was given: so each access asks whether it still means this request.
 */
export class View {
  readonly #stream: Stream;
  readonly #generation: number;
  #isLocked = false;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#generation = stream.generation;
  }

  /** From here on it can be read only: its hook has ended. */
  lock(): void {
    this.#isLocked = true;
  }

  read(): Stream {
    if (this.#stream.generation !== this.#generation) throw new Error("this request is over");
    return this.#stream;
  }

  edit(): Stream {
    if (this.#isLocked) throw new Error("its hook has ended: nothing can be changed any more");
    if (this.#stream.finished) throw new Error("this request is over");
    return this.read();
  }
}

class HeadersView implements FilterHeaders {
  constructor(
    private readonly view: View,
    private readonly block: HeaderBlock,
  ) {}

  get(name: string): string | null {
    this.view.read();
    return this.block.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  set(name: string, value: string): void {
    this.view.edit();
    checkField(name, value);
    this.block.set(name, value);
  }

  append(name: string, value: string): void {
    this.view.edit();
    checkField(name, value);
    this.block.append(name, value);
  }

  remove(name: string): void {
    this.view.edit();
    checkName(name);
    this.block.remove(name);
  }

  entries(): [string, string][] {
    this.view.read();
    const entries: [string, string][] = [];
    this.block.forEach((name, value) => entries.push([name.toLowerCase(), value]));
    return entries;
  }
}

/** @throws Error in words where a user's filter cannot write such a header. */
export function checkField(name: string, value: string): void {
  checkName(name);
  if (typeof value === "string" && isFieldValue(value)) return;
  const found = shown(value);
  throw new Error(`${found} cannot be the value of ${name}: expected Latin-1 without line breaks`);
}

function checkName(name: string): void {
  if (typeof name !== "string" || !isFieldName(name)) {
    throw new Error(`${shown(name)} cannot be a header's name`);
  }
  if (FRAMING_HEADERS.has(name.toLowerCase())) {
    throw new Error(`${name} is written by the proxy itself`);
  }
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 100);
}

const PATH = /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/;
const QUERY = /^[\x21\x22\x24-\x7e]*$/;

export class RequestView implements FilterRequest {
  readonly headers: FilterHeaders;

  constructor(
    private readonly view: View,
    { head }: Stream,
  ) {
    this.headers = new HeadersView(view, head.headers);
  }

  get method(): string {
    return this.view.read().head.method;
  }

  get host(): string {
    return this.view.read().head.host;
  }

  get path(): string {
    return this.view.read().head.path;
  }

  set path(path: string) {
    const { head } = this.view.edit();
    if (typeof path !== "string" || !PATH.test(path)) {
      throw new Error(`${shown(path)} cannot be a path: expected one such as /items/%C3%A9`);
    }
    head.rewritten = joined(path, this.query);
  }

  get query(): string {
    const { target } = this.view.read().head;
    const mark = target.indexOf("?");
    return mark < 0 ? "" : target.slice(mark + 1);
  }

  set query(query: string) {
    const { head } = this.view.edit();
    if (typeof query !== "string" || !QUERY.test(query)) {
      throw new Error(`${shown(query)} cannot be a query: expected one such as a=1&b=%20`);
    }
    head.rewritten = joined(head.path, query);
  }
}

function joined(path: string, query: string): string {
  return query === "" ? path : `${path}?${query}`;
}

/** Statuses whose answers never have a body (RFC 9110, 6.4.1). */
const BODILESS: ReadonlySet<number> = new Set([101, 204, 304]);

export class ResponseView implements FilterResponse {
  readonly headers: FilterHeaders;

  constructor(
    private readonly view: View,
    private readonly head: ResponseHead,
  ) {
    this.headers = new HeadersView(view, head.headers);
  }

  get status(): number {
    this.view.read();
    return this.head.status;
  }

  set status(status: number) {
    const stream = this.view.edit();
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new Error(`${shown(status)} cannot be an answer's status: expected 200 to 599`);
    }
    const before = this.head.status;
    if (BODILESS.has(status) !== BODILESS.has(before) || before === 101) {
      throw new Error(`${before} cannot become ${status}: one has a body and the other has none`);
    }
    this.head.status = status;
    stream.status = status;
  }
}
