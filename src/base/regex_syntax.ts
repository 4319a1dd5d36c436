/**
 * The part of RE2's syntax (https://github.com/google/re2/wiki/Syntax) that we can reason about:
 * what `regex_cost.ts` proves things of, and what is handed to the platform's own engine.
 */

/** Code points, as sorted ranges that do not touch: `[from, to, from, to, ...]`, ends included. */
export type CharSet = readonly number[];

export type RegexNode =
  | { readonly kind: "set"; readonly set: CharSet }
  | { readonly kind: "sequence"; readonly items: readonly RegexNode[] }
  | { readonly kind: "choice"; readonly options: readonly RegexNode[] }
  | {
      readonly kind: "repeat";
      readonly item: RegexNode;
      readonly min: number;
      /** Infinity where there is none. */
      readonly max: number;
      readonly isLazy: boolean;
    }
  | { readonly kind: "group"; readonly item: RegexNode; readonly name: string | null }
  | { readonly kind: "assert"; readonly what: "start" | "end" | "boundary" | "inside" };

export const MAX_CODE_POINT = 0x10ffff;
/** RE2's own bound of `{n,m}`. */
const MAX_COUNT = 1000;
const MAX_DEPTH = 100;

const DIGIT: CharSet = [0x30, 0x39];
const WORD: CharSet = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
const SPACE: CharSet = [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20];
const CLASSES: Readonly<Record<string, CharSet>> = { d: DIGIT, w: WORD, s: SPACE };
const POSIX: Readonly<Record<string, CharSet>> = {
  alnum: [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a],
  alpha: [0x41, 0x5a, 0x61, 0x7a],
  blank: [0x09, 0x09, 0x20, 0x20],
  digit: DIGIT,
  lower: [0x61, 0x7a],
  punct: [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e],
  space: [0x09, 0x0d, 0x20, 0x20],
  upper: [0x41, 0x5a],
  word: WORD,
  xdigit: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7 };

/** Null for what is wrong, and for what is right and beyond this reader. */
export function parseRegex(pattern: string): RegexNode | null {
  try {
    return new RegexReader(pattern).whole();
  } catch (error) {
    if (error === BEYOND) return null;
    throw error;
  }
}

const BEYOND = Symbol("beyond this reader");

class RegexReader {
  #characters: readonly string[];
  #at = 0;
  #depth = 0;
  #ignoresCase = false;
  #dotIsAll = false;

  constructor(pattern: string) {
    this.#characters = [...pattern];
  }

  whole(): RegexNode {
    const node = this.#choice();
    if (this.#at < this.#characters.length) throw BEYOND;
    return node;
  }

  #peek(): string {
    return this.#characters[this.#at] ?? "";
  }

  #takes(text: string): boolean {
    for (let i = 0; i < text.length; i++) {
      if (this.#characters[this.#at + i] !== text[i]) return false;
    }
    this.#at += text.length;
    return true;
  }

  #choice(): RegexNode {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw BEYOND;
    // Flags hold to the end of the group in which they stand.
    const [ignoresCase, dotIsAll] = [this.#ignoresCase, this.#dotIsAll];
    const options = [this.#sequence()];
    while (this.#takes("|")) options.push(this.#sequence());
    this.#ignoresCase = ignoresCase;
    this.#dotIsAll = dotIsAll;
    this.#depth -= 1;
    return options.length === 1 ? options[0]! : { kind: "choice", options };
  }

  #sequence(): RegexNode {
    const items: RegexNode[] = [];
    for (
      let next = this.#peek();
      next !== "" && next !== "|" && next !== ")";
      next = this.#peek()
    ) {
      const atom = this.#atom();
      if (atom !== null) items.push(this.#repeated(atom));
    }
    return items.length === 1 ? items[0]! : { kind: "sequence", items };
  }

  #repeated(item: RegexNode): RegexNode {
    const counts = this.#counts();
    if (counts === null) return item;
    // `^*` and `a**` mean different things to different engines.
    if (item.kind === "assert") throw BEYOND;
    const isLazy = this.#takes("?");
    if (["*", "+", "?"].includes(this.#peek()) || /^\{\d/.test(this.#rest(2))) throw BEYOND;
    return { kind: "repeat", item, ...counts, isLazy };
  }

  #counts(): { min: number; max: number } | null {
    if (this.#takes("*")) return { min: 0, max: Infinity };
    if (this.#takes("+")) return { min: 1, max: Infinity };
    if (this.#takes("?")) return { min: 0, max: 1 };
    if (this.#peek() !== "{") return null;
    const match = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.#rest(12));
    // A brace that counts nothing stands for itself.
    if (match === null) return null;
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? Infinity : Number(match[3]);
    if (min > MAX_COUNT || (max > MAX_COUNT && max !== Infinity) || max < min) throw BEYOND;
    return { min, max };
  }

  #rest(length: number): string {
    return this.#characters.slice(this.#at, this.#at + length).join("");
  }

  /** Null for flags, which match nothing. */
  #atom(): RegexNode | null {
    const character = this.#peek();
    this.#at += 1;
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "set", set: this.#class() };
      case ".":
        return { kind: "set", set: this.#dotIsAll ? [0, MAX_CODE_POINT] : negate([10, 10]) };
      case "^":
        return { kind: "assert", what: "start" };
      case "$":
        return { kind: "assert", what: "end" };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw BEYOND;
      default:
        return { kind: "set", set: this.#folded([character.codePointAt(0)!]) };
    }
  }

  #group(): RegexNode | null {
    if (!this.#takes("?")) return this.#closed(this.#choice(), null, true);
    if (this.#takes(":")) return this.#closed(this.#choice(), null, false);
    if (this.#takes("P<") || this.#takes("<")) {
      const match = /^([A-Za-z_][A-Za-z0-9_]*)>/.exec(this.#rest(80));
      if (match === null) throw BEYOND;
      this.#at += match[0].length;
      return this.#closed(this.#choice(), match[1]!, true);
    }
    const flags = /^([is]{1,2})([:)])/.exec(this.#rest(4));
    if (flags === null) throw BEYOND;
    this.#at += flags[0].length;
    const [ignoresCase, dotIsAll] = [this.#ignoresCase, this.#dotIsAll];
    if (flags[1]!.includes("i")) this.#ignoresCase = true;
    if (flags[1]!.includes("s")) this.#dotIsAll = true;
    if (flags[2] === ")") return null;
    const node = this.#closed(this.#choice(), null, false);
    this.#ignoresCase = ignoresCase;
    this.#dotIsAll = dotIsAll;
    return node;
  }

  #closed(item: RegexNode, name: string | null, captures: boolean): RegexNode {
    if (!this.#takes(")")) throw BEYOND;
    return captures ? { kind: "group", item, name } : item;
  }

  #escape(): RegexNode {
    const character = this.#peek();
    if (character === "b" || character === "B") {
      this.#at += 1;
      return { kind: "assert", what: character === "b" ? "boundary" : "inside" };
    }
    if (character === "A" || character === "z") {
      this.#at += 1;
      return { kind: "assert", what: character === "A" ? "start" : "end" };
    }
    const set = this.#escapedSet();
    return { kind: "set", set: set.length === 2 && set[0] === set[1] ? this.#folded(set) : set };
  }

  /** Behind a backslash, inside a class or outside. */
  #escapedSet(): CharSet {
    const character = this.#peek();
    this.#at += 1;
    const lower = character.toLowerCase();
    if (Object.hasOwn(CLASSES, lower)) {
      const set = CLASSES[lower]!;
      return character === lower ? set : negate(set);
    }
    if (Object.hasOwn(CONTROLS, character)) return one(CONTROLS[character]!);
    if (character === "x") {
      const match = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/.exec(this.#rest(8));
      const code = match === null ? Infinity : parseInt(match[1] ?? match[2]!, 16);
      if (code > MAX_CODE_POINT) throw BEYOND;
      this.#at += match![0].length;
      return one(code);
    }
    if (!/^[!-/:-@[-`{-~]$/.test(character)) throw BEYOND;
    return one(character.codePointAt(0)!);
  }

  #class(): CharSet {
    const isNegated = this.#takes("^");
    const ranges: number[] = [];
    let isFirst = true;
    while (isFirst || this.#peek() !== "]") {
      isFirst = false;
      const from = this.#classItem();
      if (this.#peek() === "-" && this.#characters[this.#at + 1] !== "]") {
        this.#at += 1;
        const to = this.#classItem();
        // A range from or to a class means nothing.
        if (from.length !== 2 || from[0] !== from[1] || to.length !== 2 || to[0] !== to[1])
          throw BEYOND;
        if (to[0]! < from[0]!) throw BEYOND;
        ranges.push(from[0]!, to[0]!);
      } else ranges.push(...from);
    }
    this.#at += 1;
    const set = this.#ignoresCase ? foldCase(normalise(ranges)) : normalise(ranges);
    return isNegated ? negate(set) : set;
  }

  #classItem(): CharSet {
    const posix = /^\[:(\^?)([a-z]{1,6}):\]/.exec(this.#rest(12));
    if (posix !== null) {
      if (!Object.hasOwn(POSIX, posix[2]!)) throw BEYOND;
      this.#at += posix[0].length;
      return posix[1] === "^" ? negate(POSIX[posix[2]!]!) : POSIX[posix[2]!]!;
    }
    const character = this.#peek();
    if (character === "") throw BEYOND;
    this.#at += 1;
    return character === "\\" ? this.#escapedSet() : one(character.codePointAt(0)!);
  }

  #folded(codes: CharSet): CharSet {
    const set = codes.length === 1 ? one(codes[0]!) : codes;
    return this.#ignoresCase ? foldCase(set) : set;
  }
}

function one(code: number): CharSet {
  return [code, code];
}

/** Sorted, and what overlaps or touches joined. */
function normalise(ranges: readonly number[]): CharSet {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i]!, ranges[i + 1]!]);
  pairs.sort((a, b) => a[0] - b[0]);
  const set: number[] = [];
  for (const [from, to] of pairs) {
    if (set.length > 0 && from <= set.at(-1)! + 1) set[set.length - 1] = Math.max(set.at(-1)!, to);
    else set.push(from, to);
  }
  return set;
}

export function negate(set: CharSet): CharSet {
  const result: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i]! > next) result.push(next, set[i]! - 1);
    next = set[i + 1]! + 1;
  }
  if (next <= MAX_CODE_POINT) result.push(next, MAX_CODE_POINT);
  return result;
}

export function unionOf(...sets: readonly CharSet[]): CharSet {
  return normalise(sets.flat());
}

export function overlaps(a: CharSet, b: CharSet): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i + 1]! < b[j]!) i += 2;
    else if (b[j + 1]! < a[i]!) j += 2;
    else return true;
  }
  return false;
}

export function contains(set: CharSet, code: number): boolean {
  for (let i = 0; i < set.length; i += 2) {
    if (code >= set[i]! && code <= set[i + 1]!) return true;
  }
  return false;
}

/** Letters of ASCII in both cases; others in a set that ignores case are beyond this reader. */
function foldCase(set: CharSet): CharSet {
  const added: number[] = [];
  for (let i = 0; i < set.length; i += 2) {
    const from = set[i]!;
    const to = set[i + 1]!;
    // k and s have relatives outside of ASCII, and a set of all that is not ASCII has none.
    if (to > 0x7f && !(from <= 0x80 && to === MAX_CODE_POINT)) throw BEYOND;
    for (let code = from; code <= Math.min(to, 0x7f); code++) {
      const other = code ^ 0x20;
      if (/[A-Za-z]/.test(String.fromCharCode(code))) added.push(other, other);
      if ((code | 0x20) === 0x6b) added.push(0x212a, 0x212a);
      if ((code | 0x20) === 0x73) added.push(0x17f, 0x17f);
    }
  }
  return normalise([...set, ...added]);
}

/** For the platform's engine, with the flag `u`. Every group is numbered, none is named. */
export function nativeSource(node: RegexNode): string {
  switch (node.kind) {
    case "set":
      return setSource(node.set);
    case "sequence":
      return node.items.map(nativeSource).join("");
    case "choice":
      return `(?:${node.options.map(nativeSource).join("|")})`;
    case "group":
      return `(${nativeSource(node.item)})`;
    case "repeat": {
      const item = nativeSource(node.item);
      const simple = node.item.kind === "set" || node.item.kind === "group";
      return `${simple ? item : `(?:${item})`}${countSource(node.min, node.max)}${node.isLazy ? "?" : ""}`;
    }
    case "assert":
      return { start: "^", end: "$", boundary: "\\b", inside: "\\B" }[node.what];
  }
}

function countSource(min: number, max: number): string {
  if (max === Infinity) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`;
  if (min === 0 && max === 1) return "?";
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function setSource(set: CharSet): string {
  if (set.length === 2 && set[0] === set[1]) return codeSource(set[0]!);
  const shown = set[0] === 0 && set.at(-1) === MAX_CODE_POINT ? negate(set) : set;
  let body = "";
  for (let i = 0; i < shown.length; i += 2) {
    const [from, to] = [shown[i]!, shown[i + 1]!];
    body += from === to ? codeSource(from) : `${codeSource(from)}-${codeSource(to)}`;
  }
  return shown === set ? `[${body}]` : `[^${body}]`;
}

function codeSource(code: number): string {
  const character = String.fromCodePoint(code);
  return /^[A-Za-z0-9 ]$/.test(character) ? character : `\\u{${code.toString(16)}}`;
}
