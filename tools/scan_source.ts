/**
 * Just enough of TypeScript's lexical grammar to look at a file without being fooled by what stands
 * in comments, strings, templates and regular expressions.
 */

export interface ScannedSource {
  /**
   * The source with comments and the contents of strings as blanks; every offset and line is kept.
   */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `type`: gone at run time. `dynamic`: `import()`, long after the file itself was loaded. */
  readonly kind: "static" | "type" | "dynamic";
}

export function scanSource(source: string): ScannedSource {
  const code = blanked(source);
  const imports: Import[] = [];
  const forms = [
    "(?:import|export)\\b([^;\"'`]*?)\\bfrom\\s*",
    "import\\s*\\(\\s*",
    "import\\s*",
    "require\\s*\\(\\s*",
  ];
  const pattern = new RegExp(`(?<![.\\w$])(?:${forms.join("|")})(["'])`, "g");
  for (const match of code.matchAll(pattern)) {
    const start = match.index + match[0].length;
    const end = code.indexOf(match[2]!, start);
    if (end < 0) continue;
    imports.push({
      specifier: source.slice(start, end),
      line: lineOf(source, match.index),
      kind: match[0].includes("(")
        ? "dynamic"
        : /^\s+type\b(?!\s*(?:,|from\b))/.test(match[1] ?? "")
          ? "type"
          : "static",
    });
  }
  return { code, imports };
}

/** From 1. */
export function lineOf(source: string, offset: number): number {
  let line = 1;
  for (let at = source.indexOf("\n"); at >= 0 && at < offset; at = source.indexOf("\n", at + 1))
    line++;
  return line;
}

/** A `/` after one of these begins a regular expression; after anything else it divides. */
const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|await|yield))$/;

function blanked(source: string): string {
  const out: string[] = [];
  // Depth of braces at which each open `${` ends; the innermost template is last.
  const templates: number[] = [];
  let depth = 0;
  let at = 0;

  const keep = (count: number): void => {
    out.push(source.slice(at, at + count));
    at += count;
  };
  const blank = (end: number): void => {
    out.push(source.slice(at, end).replaceAll(/[^\n]/g, " "));
    at = end;
  };
  /** From behind the opening backtick, or behind the brace that ends a `${}`. */
  const template = (): void => {
    let end = at;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) {
      end += source[end] === "\\" ? 2 : 1;
    }
    blank(Math.min(end, source.length));
    if (source[at] === "`") keep(1);
    else if (at < source.length) {
      keep(2);
      templates.push(depth++);
    }
  };

  while (at < source.length) {
    const char = source[at]!;
    const two = source.slice(at, at + 2);
    if (two === "//") blank(endOr(source, source.indexOf("\n", at)));
    else if (two === "/*") blank(endOr(source, source.indexOf("*/", at + 2) + 2, 2));
    else if (char === '"' || char === "'") {
      keep(1);
      blank(endOfRun(source, at, char));
      keep(1);
    } else if (char === "`") {
      keep(1);
      template();
    } else if (char === "/" && BEFORE_REGEX.test(lastWords(out))) {
      keep(1);
      blank(endOfRegex(source, at));
      keep(1);
    } else {
      if (char === "{") depth++;
      if (char === "}") depth--;
      keep(1);
      if (char === "}" && templates.at(-1) === depth) {
        templates.pop();
        template();
      }
    }
  }
  return out.join("");
}

function lastWords(out: readonly string[]): string {
  let words = "";
  for (let n = out.length - 1; n >= 0 && words.trim().length < 12; n--) words = out[n]! + words;
  return words.trimEnd();
}

function endOr(source: string, end: number, floor = 0): number {
  return end < floor ? source.length : end;
}

function endOfRun(source: string, from: number, quote: string): number {
  let end = from;
  while (end < source.length && source[end] !== quote && source[end] !== "\n") {
    end += source[end] === "\\" ? 2 : 1;
  }
  return Math.min(end, source.length);
}

function endOfRegex(source: string, from: number): number {
  let inClass = false;
  let end = from;
  for (; end < source.length && source[end] !== "\n"; end++) {
    const char = source[end];
    if (char === "\\") end++;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "/" && !inClass) break;
  }
  return Math.min(end, source.length);
}
