import type { Document, ParsedNode, YAMLError } from "yaml";
import { LineCounter, isAlias, isMap, isPair, isScalar, isSeq, parseAllDocuments } from "yaml";
import type { MapEntry, Node, Place } from "./node.ts";
import type { Problem } from "./problem.ts";
import { shorten } from "./problem.ts";

/** A file holds at most this much text (UTF-16 units): a hundred Apps are a tenth of it. */
export const MAX_FILE_LENGTH = 1024 * 1024;
export const MAX_DOCUMENTS = 1000;
/** Values of a file, aliases written out: bounds what a chain of aliases can unfold to. */
export const MAX_NODES = 100_000;
export const MAX_DEPTH = 64;
/** As many syntax errors of one file are worth reading: one mistake causes many. */
const MAX_SYNTAX_PROBLEMS = 10;

export interface YamlFile {
  /** One node a document; empty documents are left out. */
  readonly documents: readonly Node[];
  readonly problems: readonly Problem[];
}

/**
 * Reads YAML 1.2 (of which JSON is a part), several documents a file. A document with a syntax
 * error is left out and the others are read. Never throws.
 */
export function readYaml(file: string, written: string): YamlFile {
  const text = written.startsWith("\uFEFF") ? written.slice(1) : written;
  const problems: Problem[] = [];
  const report = (place: Place, message: string, advice: string | null = null): void => {
    const { line, column } = place;
    problems.push({ file, line, column, field: "", found: null, message, advice });
  };
  const start = { line: 1, column: 1 };
  if (text.length > MAX_FILE_LENGTH) {
    report(start, `the file is larger than ${MAX_FILE_LENGTH} characters`, "split it into several");
    return { documents: [], problems };
  }
  const odd = text.search(/[\0\uFFFD]/);
  if (odd >= 0) {
    const before = text.slice(0, odd).split("\n");
    const place = { line: before.length, column: before.at(-1)!.length + 1 };
    const what = text[odd] === "\0" ? "a zero byte" : "bytes that are not UTF-8 (or U+FFFD itself)";
    report(place, `${what}: this is no text file`, "save it as YAML or JSON in UTF-8");
    return { documents: [], problems };
  }
  const deep = tooDeep(text);
  if (deep !== null) {
    report(deep, `brackets are nested deeper than ${MAX_DEPTH}`, "flatten the structure");
    return { documents: [], problems };
  }
  const lines = new LineCounter();
  let parsed: readonly Document.Parsed<ParsedNode, true>[];
  try {
    parsed = [
      ...parseAllDocuments(text, {
        lineCounter: lines,
        prettyErrors: false,
        // The library compares each key with all before it; `readMap` does the same in one pass.
        uniqueKeys: false,
        stringKeys: false,
        merge: false,
        logLevel: "silent",
      }),
    ] as Document.Parsed<ParsedNode, true>[];
  } catch (error) {
    report(start, `the file cannot be read as YAML: ${(error as Error).message}`);
    return { documents: [], problems };
  }
  const documents: Node[] = [];
  const reader = new DocumentReader(text, lines, report);
  for (const [index, document] of parsed.entries()) {
    if (index === MAX_DOCUMENTS) {
      const place = reader.placeAt(document.range[0]);
      report(place, `the file has more than ${MAX_DOCUMENTS} documents`, "split it into several");
      break;
    }
    const node = reader.read(document);
    if (node !== null) documents.push(node);
  }
  return { documents, problems };
}

/**
 * Where brackets stand deeper than the bound, or null; the library recurses, this does not. Quotes
 * and comments are not understood here, so the bound is for brackets alone and generous: a line of
 * text with 64 open brackets and none closed is refused too.
 */
function tooDeep(text: string): Place | null {
  let depth = 0;
  let line = 1;
  let lineStart = 0;
  let indicators = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x0a) {
      line++;
      lineStart = i + 1;
      indicators = 0;
    } else if (code === 0x5b || code === 0x7b) depth++;
    else if (code === 0x5d || code === 0x7d) depth = Math.max(0, depth - 1);
    // `- - - -` and `? ? ?` nest without brackets, within a line.
    else if (code === 0x2d || code === 0x3f) {
      if (text.charCodeAt(i + 1) === 0x20) indicators++;
    }
    if (depth > MAX_DEPTH || indicators > MAX_DEPTH * 4) {
      return { line, column: i - lineStart + 1 };
    }
  }
  return null;
}

const QUOTE_TEMPLATES = "put a text with {{...}} in quotes";

type Report = (place: Place, message: string, advice?: string | null) => void;

/** Turns the library's documents into nodes, with bounds. */
class DocumentReader {
  #nodesLeft = MAX_NODES;
  #failed = false;
  #anchors = new Map<string, ParsedNode>();
  #open = new Set<unknown>();

  constructor(
    private readonly text: string,
    private readonly lines: LineCounter,
    private readonly report: Report,
  ) {}

  placeAt(offset: number): Place {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  read(document: Document.Parsed<ParsedNode, true>): Node | null {
    this.#failed = false;
    this.#anchors.clear();
    const errors: readonly YAMLError[] = [...document.errors, ...document.warnings];
    this.#reportSyntax(errors);
    if (errors.length > 0 || document.contents === null) return null;
    const { contents } = document;
    if (isScalar(contents) && contents.value === null) return null;
    const node = this.#node(contents, 0);
    return this.#failed ? null : node;
  }

  /** The first of each line: what follows on the same line mostly follows from it. */
  #reportSyntax(errors: readonly YAMLError[]): void {
    const lines = new Set<number>();
    for (const error of errors) {
      const place = this.placeAt(error.pos[0]);
      if (lines.has(place.line)) continue;
      if (lines.size === MAX_SYNTAX_PROBLEMS) return;
      lines.add(place.line);
      const { message, advice } = syntaxText(error);
      this.report(place, message, this.#hasTemplate(error.pos[0]) ? QUOTE_TEMPLATES : advice);
    }
  }

  /** Braces of a template without quotes are YAML's own: the most frequent cause in our files. */
  #hasTemplate(offset: number): boolean {
    const start = this.text.lastIndexOf("\n", offset - 1) + 1;
    const end = this.text.indexOf("\n", offset);
    const line = this.text.slice(start, end < 0 ? undefined : end);
    return /(?:^|[^"'{])\{\{/.test(line);
  }

  #fail(offset: number, message: string, advice: string): Node {
    const place = this.placeAt(offset);
    if (!this.#failed) this.report(place, message, advice);
    this.#failed = true;
    return { kind: "null", ...place };
  }

  #node(node: ParsedNode, depth: number): Node {
    const offset = node.range[0];
    if (this.#failed) return { kind: "null", ...this.placeAt(offset) };
    if (--this.#nodesLeft < 0) {
      const advice = "split the file, or use fewer aliases";
      return this.#fail(offset, `the file holds more than ${MAX_NODES} values`, advice);
    }
    if (depth > MAX_DEPTH) {
      return this.#fail(
        offset,
        `values are nested deeper than ${MAX_DEPTH}`,
        "flatten the structure",
      );
    }
    if (isAlias(node)) return this.#alias(node.source, offset, depth);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    const place = this.placeAt(offset);
    if (isMap(node)) return this.#map(node, place, depth);
    if (isSeq(node)) {
      this.#open.add(node);
      const items = node.items.map((item) => this.#node(item as ParsedNode, depth + 1));
      this.#open.delete(node);
      return { kind: "list", items, ...place };
    }
    return scalarNode(node.value, node.source, place);
  }

  #alias(name: string, offset: number, depth: number): Node {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      return this.#fail(
        offset,
        `*${shorten(name)} has no anchor before it`,
        `write &${name} there`,
      );
    }
    if (this.#open.has(target)) {
      return this.#fail(offset, `*${shorten(name)} stands inside of what it means`, "write it out");
    }
    return this.#node(target, depth + 1);
  }

  #map(node: ParsedNode & { items: unknown[] }, place: Place, depth: number): Node {
    const entries: MapEntry[] = [];
    const seen = new Map<string, Place>();
    this.#open.add(node);
    for (const pair of node.items) {
      if (!isPair<ParsedNode, ParsedNode | null>(pair)) continue;
      const entry = this.#entry(pair.key, pair.value, depth);
      if (entry === null) continue;
      const first = seen.get(entry.key);
      if (first !== undefined) {
        const message = `"${shorten(entry.key)}" stands there twice, first in line ${first.line}`;
        this.report(entry.keyPlace, message, "remove one of them");
        this.#failed = true;
      }
      seen.set(entry.key, entry.keyPlace);
      entries.push(entry);
    }
    this.#open.delete(node);
    return { kind: "map", entries, ...place };
  }

  #entry(key: ParsedNode, value: ParsedNode | null, depth: number): MapEntry | null {
    const keyPlace = this.placeAt(key.range[0]);
    const name = isAlias(key) ? this.#anchors.get(key.source) : key;
    if (!isScalar(name) || name.value === null) {
      const template = this.#hasTemplate(key.range[0]);
      const advice = template ? QUOTE_TEMPLATES : "write a name before the colon";
      this.#fail(key.range[0], "a key that is no text", advice);
      return null;
    }
    if (name.anchor !== undefined) this.#anchors.set(name.anchor, name as ParsedNode);
    const text = typeof name.value === "string" ? name.value : (name.source ?? String(name.value));
    if (text === "<<") {
      this.#fail(key.range[0], '"<<" (merge) is not part of YAML 1.2', "write the fields out");
      return null;
    }
    // `key:` without a value: what is missing is missing behind the key.
    const node =
      value === null ? { kind: "null" as const, ...keyPlace } : this.#node(value, depth + 1);
    return { key: text, keyPlace, value: node };
  }
}

function scalarNode(value: unknown, source: string | undefined, place: Place): Node {
  if (typeof value === "string") return { kind: "text", value, ...place };
  if (typeof value === "number") {
    return { kind: "number", value, source: source ?? String(value), ...place };
  }
  if (typeof value === "boolean") {
    return { kind: "boolean", value, source: source ?? String(value), ...place };
  }
  if (value === null || value === undefined) return { kind: "null", ...place };
  return { kind: "text", value: source ?? String(value), ...place };
}

/** The library's messages, with what to do about the frequent ones. */
function syntaxText(error: YAMLError): {
  readonly message: string;
  readonly advice: string | null;
} {
  const advice: Readonly<Record<string, string>> = {
    TAB_AS_INDENT: "indent with spaces",
    MULTILINE_IMPLICIT_KEY: "put the value in quotes, or on one line",
    BLOCK_AS_IMPLICIT_KEY: 'put a text with ": " in it in quotes',
    BAD_INDENT: "align it with its neighbours",
    MISSING_CHAR: "close what is open, or put the text in quotes",
    UNEXPECTED_TOKEN: "put a text with special characters in quotes",
    BAD_SCALAR_START: "put the text in quotes",
    BAD_ALIAS: "put the text in quotes if no alias is meant",
    TAG_RESOLVE_FAILED: "leave the tag out",
  };
  const text = error.message.split("\n")[0]!.replace(/[.:]?\s*$/, "");
  return { message: `not valid YAML: ${shortenMessage(text)}`, advice: advice[error.code] ?? null };
}

function shortenMessage(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
