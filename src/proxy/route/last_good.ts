import { FRAMING_HEADERS } from "../../api/framing_headers.ts";
import type { LastGoodPolicy } from "../../api/snapshot.ts";
import { listItems } from "../../codec/ascii.ts";
import type { RequestHead, ResponseHead } from "../../codec/message.ts";

/** An answer above this part of the store is not kept: one page must not push all others out. */
const LARGEST_PART = 4;
/** What an entry costs besides its texts and its body. */
const ENTRY_BYTES = 256;
/** RFC 9111, 4.4: what else was asked of the same address may have changed it. */
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

export interface LastGoodAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

interface Entry {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly bytes: number;
  readonly storedMs: number;
  /** Its Age when it came. */
  readonly ageMs: number;
  readonly maxAgeMs: number;
  readonly address: string;
}

/**
 * The last good answers of one route, for when there is no real one (stale-if-error, RFC 5861).
 * A shared cache that is read on errors only, so it takes less than RFC 9111 allows: 200 to a GET
 * without credentials, cookies or a range; nothing private, with a cookie, or that must not be used
 * stale. Bounded in bytes and entries; what was neither kept nor used for longest goes first.
 */
export class LastGoodStore {
  readonly policy: LastGoodPolicy;
  readonly #entries = new Map<string, Entry>();
  /** By address, the request headers that its answers differ by, and the entries' keys. */
  readonly #variants = new Map<string, { readonly vary: readonly string[]; keys: Set<string> }>();
  #bytes = 0;
  #capturedBytes = 0;

  constructor(policy: LastGoodPolicy) {
    this.policy = policy;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Bytes of answers that are on their way; they have the same bound once more. */
  get capturedBytes(): number {
    return this.#capturedBytes;
  }

  /** An answer's head goes to its caller: what to do with the body, or null to let it pass. */
  onAnswer(request: RequestHead, answer: ResponseHead, nowMs: number): Capture | null {
    const { status } = answer;
    const address = addressOf(request);
    if (!SAFE.has(request.method)) {
      if (status >= 200 && status < 400) this.#forget(address);
      return null;
    }
    if (request.method !== "GET" || request.framing !== "none") return null;
    if (status >= 500 || !mayServe(request)) return null;
    if (status === 404 || status === 410) this.#forget(address);
    if (status !== 200) return null;
    const maxAgeMs = this.#maxAgeMs(answer);
    if (maxAgeMs <= 0 || answer.framing === "until-close") {
      this.#forget(address);
      return null;
    }
    const vary = listItems(answer.headers.get("vary") ?? "").sort();
    const headers = endToEnd(answer);
    const age = Number(answer.headers.get("age") ?? 0);
    const ageMs = Number.isFinite(age) && age > 0 ? age * 1000 : 0;
    const key = keyOf(address, vary, request);
    const capture = new Capture(this, key, { address, vary, headers, ageMs, maxAgeMs, nowMs });
    return this.grow(sizeOf(key, headers)) ? capture : null;
  }

  /** Whether so many bytes more may be on their way into the store. */
  grow(bytes: number): boolean {
    if (this.#capturedBytes + bytes > this.policy.maxBytes) return false;
    this.#capturedBytes += bytes;
    return true;
  }

  shrink(bytes: number): void {
    this.#capturedBytes -= bytes;
  }

  get largestBytes(): number {
    return Math.floor(this.policy.maxBytes / LARGEST_PART);
  }

  /** 0 where the answer forbids it. */
  #maxAgeMs({ headers }: ResponseHead): number {
    if (headers.get("set-cookie") !== null) return 0;
    if (listItems(headers.get("vary") ?? "").includes("*")) return 0;
    const control = directives(headers.get("cache-control"));
    for (const name of FORBIDDING) if (control.has(name)) return 0;
    const beyond = seconds(control.get("stale-if-error"));
    if (beyond === null) return this.policy.maxAgeMs;
    const fresh = seconds(control.get("s-maxage")) ?? seconds(control.get("max-age")) ?? 0;
    return Math.min(this.policy.maxAgeMs, (fresh + beyond) * 1000);
  }

  put(key: string, entry: Entry, vary: readonly string[]): void {
    let group = this.#variants.get(entry.address);
    if (group !== undefined && group.vary.join() !== vary.join()) {
      this.#forget(entry.address);
      group = undefined;
    }
    this.#remove(key);
    group = this.#variants.get(entry.address);
    if (group === undefined) {
      group = { vary, keys: new Set() };
      this.#variants.set(entry.address, group);
    }
    group.keys.add(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    const { maxBytes, maxEntries } = this.policy;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= maxBytes && this.#entries.size <= maxEntries) break;
      this.#remove(oldest);
    }
  }

  /** The answer to give instead of an error; null where there is none that is fresh enough. */
  find(request: RequestHead, nowMs: number): LastGoodAnswer | null {
    if ((request.method !== "GET" && request.method !== "HEAD") || !mayServe(request)) return null;
    const address = addressOf(request);
    const group = this.#variants.get(address);
    if (group === undefined) return null;
    const key = keyOf(address, group.vary, request);
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    const ageMs = entry.ageMs + nowMs - entry.storedMs;
    if (ageMs > entry.maxAgeMs) {
      this.#remove(key);
      return null;
    }
    // Used last, so it goes last.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const age = String(Math.floor(ageMs / 1000));
    return { headers: { ...entry.headers, age, "x-outrigger-stale": age }, body: entry.body };
  }

  #forget(address: string): void {
    for (const key of [...(this.#variants.get(address)?.keys ?? [])]) this.#remove(key);
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    const group = this.#variants.get(entry.address)!;
    group.keys.delete(key);
    if (group.keys.size === 0) this.#variants.delete(entry.address);
  }
}

interface Beginning {
  readonly address: string;
  readonly vary: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly ageMs: number;
  readonly maxAgeMs: number;
  readonly nowMs: number;
}

/** One answer on its way into the store: kept when it is whole, dropped when it grows too large. */
export class Capture {
  readonly #store: LastGoodStore;
  readonly #key: string;
  readonly #beginning: Beginning;
  readonly #parts: Uint8Array[] = [];
  #bytes: number;
  #done = false;

  constructor(store: LastGoodStore, key: string, beginning: Beginning) {
    this.#store = store;
    this.#key = key;
    this.#beginning = beginning;
    this.#bytes = sizeOf(key, beginning.headers);
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    if (this.#done) return;
    const length = end - start;
    if (this.#bytes + length > this.#store.largestBytes || !this.#store.grow(length)) this.drop();
    else {
      this.#bytes += length;
      this.#parts.push(bytes.slice(start, end));
    }
  }

  /** The answer is whole. */
  keep(): void {
    if (this.#done) return;
    const { address, vary, headers, ageMs, maxAgeMs, nowMs } = this.#beginning;
    const body = Buffer.concat(this.#parts);
    const entry = { address, headers, ageMs, maxAgeMs, storedMs: nowMs, body, bytes: this.#bytes };
    this.drop();
    this.#store.put(this.#key, entry, vary);
  }

  drop(): void {
    if (this.#done) return;
    this.#done = true;
    this.#store.shrink(this.#bytes);
    this.#parts.length = 0;
  }
}

/** RFC 9111, 5.2.2: for one caller only, or not without asking again. */
const FORBIDDING = ["no-store", "private", "no-cache", "must-revalidate", "proxy-revalidate"];

/** With one of these the answer may be the caller's own, or a part. */
const OWN = ["authorization", "cookie", "range"];

/** Whether an answer to this request may be another's, and another's may be its. */
function mayServe({ headers }: RequestHead): boolean {
  if (OWN.some((name) => headers.get(name) !== null)) return false;
  const control = directives(headers.get("cache-control"));
  return !control.has("no-store") && !control.has("no-cache");
}

function addressOf(request: RequestHead): string {
  return `${request.host.toLowerCase()} ${request.target}`;
}

function keyOf(address: string, vary: readonly string[], { headers }: RequestHead): string {
  if (vary.length === 0) return address;
  return JSON.stringify([address, ...vary.map((name) => headers.get(name))]);
}

function directives(value: string | null): Map<string, string> {
  const found = new Map<string, string>();
  if (value === null) return found;
  for (const item of listItems(value)) {
    const at = item.indexOf("=");
    if (at < 0) found.set(item, "");
    else found.set(item.slice(0, at).trim(), item.slice(at + 1).trim().replaceAll('"', ""));
  }
  return found;
}

function seconds(value: string | undefined): number | null {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : null;
}

/** What belongs to the answer and not to the connection it came by (RFC 9110, 7.6.1). */
function endToEnd({ headers }: ResponseHead): Record<string, string> {
  const nominated = new Set(listItems(headers.get("connection") ?? ""));
  const kept: Record<string, string> = {};
  headers.forEach((written, value) => {
    const name = written.toLowerCase();
    if (nominated.has(name) || DROPPED.has(name)) return;
    kept[name] = kept[name] === undefined ? value : `${kept[name]}, ${value}`;
  });
  return kept;
}

/** Of one connection, told anew, or of the request that was answered then. */
const DROPPED = new Set([...FRAMING_HEADERS, "age", "x-request-id"]);

function sizeOf(key: string, headers: Readonly<Record<string, string>>): number {
  let bytes = ENTRY_BYTES + 2 * key.length;
  for (const name in headers) bytes += name.length + headers[name]!.length;
  return bytes;
}
