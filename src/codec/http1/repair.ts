import { COLON, CR, FIELD_VALUE, isBlank, latin1, LF, SPACE, TOKEN_LOWER } from "../ascii.ts";
import { CodecError, headerLabel } from "../message.ts";

/**
 * Repairs of a malformed response head: only what every reader would understand the same way once
 * it is repaired, and nothing of what says where an answer ends.
 */

/** What can be repaired, and how: the documentation's table is made of it. */
export const REPAIRS = {
  "space-before-colon": {
    found: "Blanks between a header's name and its colon: `X-Build : 7`",
    repair: "The blanks are removed, as RFC 9112, 5.1 demands of proxies.",
  },
  "control-character": {
    found: "A control character in a value, NUL among them: `X-Build: 7\\x01`",
    repair: "Each becomes a space, as RFC 9110, 5.5 allows.",
  },
  "obsolete-folding": {
    found: "A line that starts with a blank, and goes on with the value of the line before it",
    repair: "The two are joined by a space, as RFC 9112, 5.2 demands of proxies.",
  },
  "bare-line-feed": {
    found: "Every line of the head ends with a line feed alone",
    repair: "Each gets its carriage return (RFC 9112, 2.2).",
  },
  "bad-header-name": {
    found:
      "A name that is empty or holds a character that no name may have, or a line without a " +
      "colon: `Server Version: 7`",
    repair: "The header is dropped: readers disagree about where its name ends.",
  },
} as const;

export type RepairKind = keyof typeof REPAIRS;

/** One repair of one header. */
export interface Repair {
  readonly kind: RepairKind;
  /** As it came, made printable; empty where the whole head is meant. */
  readonly header: string;
}

export interface RepairedHead {
  /** A head again, lines and the empty line that ends it. */
  readonly bytes: Uint8Array;
  readonly repairs: readonly Repair[];
}

/** They say where an answer ends: two readers of a broken one might see two answers. */
const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);

/**
 * The position behind a head that ends as the most tolerant reader ends it, 0 where there is none
 * yet.
 * @param from nothing before it ends the head
 */
export function tolerantHeadEnd(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return 0;
}

/**
 * @param head from the status line to the empty line
 * @returns why it is refused where it cannot be repaired for sure
 */
export function repairHead(head: Uint8Array): RepairedHead | CodecError {
  const repair = new HeadRepair(head);
  let start = 0;
  for (let index = 0; start < head.length; index++) {
    const feed = head.indexOf(LF, start);
    const problem = repair.line(index, start, feed);
    if (problem !== null) return problem;
    start = feed + 1;
  }
  return repair.result();
}

class HeadRepair {
  readonly #head: Uint8Array;
  readonly #out: number[] = [];
  readonly #repairs: Repair[] = [];
  /** Every line ends so, or the head is refused: an injected line feed would end it early. */
  readonly #bare: boolean;
  /** Of the line before: what a folded line goes on with. */
  #name = "";
  #dropped = false;

  constructor(head: Uint8Array) {
    this.#head = head;
    this.#bare = head[head.indexOf(LF) - 1] !== CR;
    if (this.#bare) this.#repairs.push({ kind: "bare-line-feed", header: "" });
  }

  result(): RepairedHead {
    return { bytes: Uint8Array.from(this.#out), repairs: this.#repairs };
  }

  /** @param feed where its line feed stands */
  line(index: number, start: number, feed: number): CodecError | null {
    const head = this.#head;
    const hasReturn = feed > start && head[feed - 1] === CR;
    const end = hasReturn ? feed - 1 : feed;
    if (hasReturn === this.#bare) {
      const text = "some lines end with a line feed alone, and some do not";
      return new CodecError("bare-line-feed", text, this.#label(start, end));
    }
    for (let at = start; at < end; at++) {
      if (head[at] !== CR) continue;
      const text = "a lone carriage return, which some take for the end of a line";
      return new CodecError("bad-header-value", text, this.#label(start, end));
    }
    if (index === 0 || start === end) {
      for (let at = start; at < end; at++) this.#out.push(head[at]!);
      this.#out.push(CR, LF);
      return null;
    }
    return isBlank(head[start]!) ? this.#folded(index, start, end) : this.#field(start, end);
  }

  #endLine(): void {
    const out = this.#out;
    while (isBlank(out.at(-1)!)) out.length--;
    out.push(CR, LF);
  }

  #label(start: number, end: number): string {
    const head = this.#head;
    const colon = head.indexOf(COLON, start);
    if (colon >= 0 && colon < end) return headerLabel(head, start, colon);
    // Not a name: its first word tells enough, and the rest may be a secret.
    let at = start;
    while (at < end && !isBlank(head[at]!)) at++;
    return headerLabel(head, start, at);
  }

  #folded(index: number, start: number, end: number): CodecError | null {
    const head = this.#head;
    let from = start;
    while (from < end && isBlank(head[from]!)) from++;
    if (index === 1 || from === end) {
      const text = index === 1 ? "the first header line starts with a blank" : "a line of blanks";
      return new CodecError("obsolete-folding", text, this.#name);
    }
    if (FRAMING.has(this.#name.toLowerCase())) return refusal("obsolete-folding", this.#name);
    if (this.#dropped) return null;
    this.#repairs.push({ kind: "obsolete-folding", header: this.#name });
    this.#out.length -= 2;
    this.#out.push(SPACE);
    this.#value(from, end);
    this.#endLine();
    return null;
  }

  #field(start: number, end: number): CodecError | null {
    const head = this.#head;
    const label = this.#label(start, end);
    this.#name = label;
    this.#dropped = false;
    if (/^http\//i.test(latin1(head, start, Math.min(end, start + 5)))) {
      return new CodecError("bad-header-name", "a second status line within the head", label);
    }
    const colon = head.indexOf(COLON, start);
    const hasColon = colon >= 0 && colon < end;
    let nameEnd = hasColon ? colon : start;
    while (nameEnd > start && isBlank(head[nameEnd - 1]!)) nameEnd--;
    const { tokens, isToken } = this.#tokens(start, nameEnd);
    const frames = FRAMING.has(tokens);
    if (!isToken) {
      if (frames) return refusal("bad-header-name", label);
      this.#dropped = true;
      this.#repairs.push({ kind: "bad-header-name", header: label });
      return null;
    }
    if (nameEnd !== colon) {
      if (frames) return refusal("bad-header-name", label);
      this.#repairs.push({ kind: "space-before-colon", header: label });
    }
    for (let at = start; at < nameEnd; at++) this.#out.push(head[at]!);
    this.#out.push(COLON);
    if (this.#value(colon + 1, end) && frames) return refusal("bad-header-value", label);
    this.#endLine();
    return null;
  }

  /** The name's characters that a name may have, in lower case. */
  #tokens(start: number, end: number): { readonly tokens: string; readonly isToken: boolean } {
    let tokens = "";
    for (let at = start; at < end; at++) {
      const lower = TOKEN_LOWER[this.#head[at]!]!;
      if (lower !== 0) tokens += String.fromCharCode(lower);
    }
    return { tokens, isToken: end > start && tokens.length === end - start };
  }

  /** True where something in it was repaired. */
  #value(start: number, end: number): boolean {
    let found = false;
    for (let at = start; at < end; at++) {
      const byte = this.#head[at]!;
      const isGood = FIELD_VALUE[byte] === 1;
      found ||= !isGood;
      this.#out.push(isGood ? byte : SPACE);
    }
    if (found) this.#repairs.push({ kind: "control-character", header: this.#name });
    return found;
  }
}

function refusal(
  code: "bad-header-name" | "bad-header-value" | "obsolete-folding",
  header: string,
): CodecError {
  return new CodecError(code, "malformed, and it says where the answer ends", header);
}
