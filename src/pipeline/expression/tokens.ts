/** Words of the expression language, each with its column. */
export interface Token {
  readonly kind: "name" | "number" | "text" | "sign" | "end";
  /** A text's content, its escapes undone; all else as it is written. */
  readonly text: string;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

/** What is wrong with an expression, and where. */
export class ExpressionError extends Error {
  constructor(
    message: string,
    readonly column: number,
  ) {
    super(message);
  }
}

const SIGNS = ["&&", "||", "==", "!=", "<=", ">=", ..."<>!()[],.+-*/%"] as const;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]+/y;

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** What people write who know another language, and what to write here. */
const FOREIGN: Readonly<Record<string, string>> = {
  "=": 'write "==" to compare',
  "&": 'write "&&"',
  "|": 'write "||"',
  "~": 'write matches(event.x, "regex")',
  "`": "quote texts with \" or '",
};

/** @throws ExpressionError */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const space = stickyMatch(SPACE, text, at);
    if (space !== null) {
      at += space.length;
      continue;
    }
    const column = at + 1;
    const character = text[at]!;
    if (character === '"' || character === "'") {
      const { content, next } = quoted(text, at);
      tokens.push({ kind: "text", text: content, column });
      at = next;
      continue;
    }
    const word = stickyMatch(WORD, text, at);
    const number = word === null ? stickyMatch(NUMBER, text, at) : null;
    const sign = SIGNS.find((one) => text.startsWith(one, at)) ?? null;
    const found = word ?? number ?? sign;
    if (found === null) {
      const advice = FOREIGN[character] ?? "remove it, or put it into a quoted text";
      throw new ExpressionError(`"${character}" means nothing here; ${advice}`, column);
    }
    const kind = word !== null ? "name" : number !== null ? "number" : "sign";
    tokens.push({ kind, text: found, column });
    at += found.length;
  }
  tokens.push({ kind: "end", text: "", column: text.length + 1 });
  return tokens;
}

function stickyMatch(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

/** A backslash stands before a quote, a backslash, n, r or t; before all else it is itself. */
function quoted(text: string, from: number): { content: string; next: number } {
  const quote = text[from]!;
  let content = "";
  for (let at = from + 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === quote) return { content, next: at + 1 };
    if (character !== "\\") {
      content += character;
      continue;
    }
    const escaped = text[at + 1] ?? "";
    if (escaped === quote || escaped === "\\") content += escaped;
    else if (Object.hasOwn(ESCAPES, escaped)) content += ESCAPES[escaped];
    // A regular expression's \d and \. come through as they are.
    else content += `\\${escaped}`;
    at += 1;
  }
  throw new ExpressionError(`the text that ${quote} opens does not end`, from + 1);
}
