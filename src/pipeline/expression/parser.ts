import type { Event } from "../../api/event.ts";
import { nearest } from "../../schema/spelling.ts";
import type { Json } from "../../schema/field.ts";
import { FUNCTIONS } from "./functions.ts";
import { arithmetic, comparison, equality, membership, textual } from "./operators.ts";
import type { FieldPath } from "./path.ts";
import { MAX_PATH_STEPS, readerOf } from "./path.ts";
import type { Token } from "./tokens.ts";
import { ExpressionError, tokensOf } from "./tokens.ts";

/** `any`: it depends on the event. */
export type ValueType = "any" | "boolean" | "number" | "text" | "null";

export type Run = (event: Event) => unknown;

/** A part of an expression that has been read. */
export interface Part {
  readonly type: ValueType;
  readonly run: Run;
  readonly column: number;
  /** Set where no event is needed to know the value. */
  readonly constant?: { readonly value: Json };
  /** Set where it is a place in the event. */
  readonly path?: FieldPath;
}

/** Parentheses in parentheses, `!` and `-` in a row. */
const MAX_DEPTH = 40;
/** Bounds what one event can cost: each part runs once at most. */
const MAX_TOKENS = 1000;

const ROOTS = ["event", "meta"];
const META: Readonly<Record<string, { type: ValueType; run: Run }>> = {
  source: { type: "text", run: (event) => event.origin.source },
  path: { type: "text", run: (event) => event.origin.path },
  bytes: { type: "number", run: (event) => event.sizeBytes },
};

/** @throws ExpressionError */
export function parseExpression(text: string): Part {
  const tokens = tokensOf(text);
  if (tokens.length > MAX_TOKENS) {
    const { column } = tokens[MAX_TOKENS]!;
    throw new ExpressionError(`more than ${MAX_TOKENS} words; make it two steps`, column);
  }
  return new Parser(tokens).whole();
}

/** By precedence, loosest first: `||`, `&&`, comparisons, `+ -`, `* / %`, `! -`. */
class Parser {
  #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Part {
    const part = this.#or();
    const token = this.#peek();
    if (token.kind !== "end") throw unexpected(token, "an operator such as && or the end");
    return part;
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#tokens[this.#at]!;
    if (token.kind !== "end") this.#at += 1;
    return token;
  }

  /** Takes the sign or word if it stands here. */
  #takes(text: string): Token | null {
    const token = this.#peek();
    if (token.kind === "text" || token.text !== text || token.kind === "end") return null;
    return this.#next();
  }

  #expect(sign: string, after: string): Token {
    const token = this.#takes(sign);
    if (token === null) throw unexpected(this.#peek(), `"${sign}" after ${after}`);
    return token;
  }

  #or(): Part {
    this.#deeper();
    let left = this.#and();
    for (let sign = this.#takes("||"); sign !== null; sign = this.#takes("||")) {
      const a = truth(left, "||");
      const b = truth(this.#and(), "||");
      left = booleanPart(sign, (event) => a(event) === true || b(event) === true);
    }
    this.#depth -= 1;
    return left;
  }

  #and(): Part {
    let left = this.#compared();
    for (let sign = this.#takes("&&"); sign !== null; sign = this.#takes("&&")) {
      const a = truth(left, "&&");
      const b = truth(this.#compared(), "&&");
      left = booleanPart(sign, (event) => a(event) === true && b(event) === true);
    }
    return left;
  }

  #compared(): Part {
    const left = this.#sum();
    const operator = this.#peek();
    if (operator.kind !== "sign" && operator.kind !== "name") return left;
    const part = this.#comparison(left, operator);
    if (part === null) return left;
    const again = this.#peek();
    if (COMPARISONS.has(again.text) && again.kind !== "text") {
      const message = `"${again.text}" after a comparison; join the two with && or use parentheses`;
      throw new ExpressionError(message, again.column);
    }
    return part;
  }

  #comparison(left: Part, operator: Token): Part | null {
    switch (operator.text) {
      case "==":
      case "!=":
        this.#next();
        return booleanPart(operator, equality(operator, left, this.#sum()));
      case "<":
      case "<=":
      case ">":
      case ">=":
        this.#next();
        return booleanPart(operator, comparison(operator, left, this.#sum()));
      case "contains":
      case "startsWith":
      case "endsWith":
        this.#next();
        return booleanPart(operator, textual(operator, left, this.#sum()));
      case "in":
        this.#next();
        return booleanPart(operator, membership(left, this.#list()));
      default:
        return null;
    }
  }

  #sum(): Part {
    let left = this.#product();
    for (;;) {
      const sign = this.#takes("+") ?? this.#takes("-");
      if (sign === null) return left;
      left = arithmetic(sign, left, this.#product());
    }
  }

  #product(): Part {
    let left = this.#unary();
    for (;;) {
      const sign = this.#takes("*") ?? this.#takes("/") ?? this.#takes("%");
      if (sign === null) return left;
      left = arithmetic(sign, left, this.#unary());
    }
  }

  #unary(): Part {
    const not = this.#takes("!");
    if (not !== null) {
      this.#deeper();
      const run = truth(this.#unary(), "!");
      this.#depth -= 1;
      return booleanPart(not, (event) => run(event) !== true);
    }
    const minus = this.#takes("-");
    if (minus === null) return this.#primary();
    this.#deeper();
    const operand = this.#unary();
    this.#depth -= 1;
    if (typeof operand.constant?.value === "number") {
      return constantPart(minus, -operand.constant.value);
    }
    return arithmetic(minus, constantPart(minus, 0), operand);
  }

  #primary(): Part {
    const token = this.#next();
    if (token.kind === "number") return constantPart(token, Number(token.text));
    if (token.kind === "text") return constantPart(token, token.text);
    if (token.text === "(" && token.kind === "sign") {
      const part = this.#or();
      this.#expect(")", "what the parenthesis opens");
      return { ...part, column: token.column };
    }
    if (token.kind !== "name") throw unexpected(token, "a value such as event.level");
    if (token.text === "true" || token.text === "false") {
      return constantPart(token, token.text === "true");
    }
    if (token.text === "null") return constantPart(token, null);
    if (token.text === "event") return this.#path(token);
    if (token.text === "meta") return this.#meta(token);
    if (this.#takes("(") !== null) return this.#call(token);
    throw unknownName(token);
  }

  #path(root: Token): Part {
    const path: (string | number)[] = [];
    for (;;) {
      if (this.#takes(".") !== null) {
        const name = this.#next();
        if (name.kind !== "name") throw unexpected(name, "a field's name after the dot");
        path.push(name.text);
      } else if (this.#takes("[") !== null) {
        const step = this.#next();
        if (step.kind === "text") path.push(step.text);
        else if (step.kind === "number" && /^\d{1,6}$/.test(step.text) && path.length > 0) {
          path.push(Number(step.text));
        } else throw unexpected(step, 'a quoted name such as ["a b"], or an index behind a list');
        this.#expect("]", "the name or index");
      } else break;
      if (path.length > MAX_PATH_STEPS) {
        throw new ExpressionError(`a path of more than ${MAX_PATH_STEPS} names`, root.column);
      }
    }
    if (path.length === 0) {
      throw new ExpressionError("event needs a field: event.message", root.column);
    }
    return { type: "any", run: readerOf(path), column: root.column, path };
  }

  #meta(root: Token): Part {
    this.#expect(".", "meta");
    const name = this.#next();
    const known = Object.hasOwn(META, name.text) ? META[name.text]! : null;
    if (known === null || name.kind !== "name") {
      throw unexpected(name, `one of ${Object.keys(META).join(", ")}`);
    }
    return { ...known, column: root.column };
  }

  #call(name: Token): Part {
    const definition = Object.hasOwn(FUNCTIONS, name.text) ? FUNCTIONS[name.text]! : null;
    if (definition === null) throw unknownName(name);
    const values: Part[] = [];
    while (this.#peek().text !== ")" || this.#peek().kind !== "sign") {
      if (values.length > 0) this.#expect(",", `an argument of ${name.text}()`);
      values.push(this.#or());
    }
    this.#next();
    if (values.length !== definition.arguments.length) {
      const form = `${name.text}(${definition.arguments.join(", ")})`;
      const message = `${name.text}() with ${values.length} arguments; write ${form}`;
      throw new ExpressionError(message, name.column);
    }
    const run = definition.make(values, name);
    return { type: definition.type, run, column: name.column };
  }

  /** `["a", "b", 3]`: values only. */
  #list(): readonly Part[] {
    const open = this.#peek();
    if (this.#takes("[") === null) throw unexpected(open, 'a list such as ["a", "b"] after in');
    const items: Part[] = [];
    while (this.#takes("]") === null) {
      if (items.length > 0) this.#expect(",", "an item of the list");
      const item = this.#unary();
      if (item.constant === undefined) {
        throw new ExpressionError("a list holds texts, numbers, true, false, null", item.column);
      }
      items.push(item);
    }
    if (items.length === 0) throw new ExpressionError("the list is empty", open.column);
    return items;
  }

  #deeper(): void {
    this.#depth += 1;
    if (this.#depth <= MAX_DEPTH) return;
    throw new ExpressionError(`nested deeper than ${MAX_DEPTH}`, this.#peek().column);
  }
}

const COMPARISONS: ReadonlySet<string> = new Set([
  ..."< <= > >= == != contains startsWith endsWith in".split(" "),
]);

function constantPart({ column }: Token, value: Json): Part {
  const types = { string: "text", number: "number", boolean: "boolean" } as const;
  const type = value === null ? "null" : types[typeof value as keyof typeof types];
  return { type, run: () => value, column, constant: { value } };
}

function booleanPart({ column }: Token, run: Run): Part {
  return { type: "boolean", run, column };
}

/** The part as a condition: only `true` is true. */
function truth(part: Part, operator: string): Run {
  if (part.type === "boolean" || part.type === "any") return part.run;
  const message = `${operator} wants true or false, this is a ${part.type}; compare it with something`;
  throw new ExpressionError(message, part.column);
}

function unexpected(token: Token, expected: string): ExpressionError {
  const found = token.kind === "end" ? "the end" : `"${token.text}"`;
  return new ExpressionError(`found ${found}, expected ${expected}`, token.column);
}

function unknownName(token: Token): ExpressionError {
  const names = [...ROOTS, ...Object.keys(FUNCTIONS), "true", "false", "null"];
  const meant = nearest(token.text, names);
  const advice =
    meant === null
      ? `a field is event.${token.text}, a text "${token.text}"`
      : `did you mean ${meant}?`;
  return new ExpressionError(`"${token.text}" is not known; ${advice}`, token.column);
}
