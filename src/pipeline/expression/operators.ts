import type { Part, Run, ValueType } from "./parser.ts";
import type { Token } from "./tokens.ts";
import { ExpressionError } from "./tokens.ts";

type Operator = Pick<Token, "text" | "column">;

/** `==` and `!=` of values that are no lists or objects; these equal nothing. */
export function equality(operator: Operator, left: Part, right: Part): Run {
  const [a, b] = [left.type, right.type];
  if (a !== "any" && b !== "any" && a !== b && a !== "null" && b !== "null") {
    const message = `a ${a} never equals a ${b}`;
    throw new ExpressionError(message, operator.column);
  }
  const same = operator.text === "==";
  if (right.constant !== undefined) return equalsConstant(left.run, right.constant.value, same);
  if (left.constant !== undefined) return equalsConstant(right.run, left.constant.value, same);
  const first = left.run;
  const second = right.run;
  return (event) => isSame(first(event), second(event)) === same;
}

function equalsConstant(run: Run, value: unknown, same: boolean): Run {
  return same ? (event) => run(event) === value : (event) => run(event) !== value;
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b && (typeof a !== "object" || a === null);
}

/** Two numbers, or two texts by their characters; of all else it is false. */
export function comparison(operator: Operator, left: Part, right: Part): Run {
  for (const part of [left, right]) {
    if (part.type === "boolean" || part.type === "null") {
      const message = `${operator.text} compares numbers or texts, this is a ${part.type}`;
      throw new ExpressionError(message, part.column);
    }
  }
  if (left.type !== "any" && right.type !== "any" && left.type !== right.type) {
    const message = `${operator.text} of a ${left.type} and a ${right.type}`;
    throw new ExpressionError(message, operator.column);
  }
  const compare = COMPARE[operator.text]!;
  const a = left.run;
  const b = right.run;
  return (event) => {
    const x = a(event);
    const y = b(event);
    if (typeof x === "number" ? typeof y !== "number" : typeof x !== "string") return false;
    if (typeof x === "string" && typeof y !== "string") return false;
    return compare(x as number, y as number);
  };
}

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** `contains` (a text in a text, a value in a list), `startsWith`, `endsWith`. */
export function textual(operator: Operator, left: Part, right: Part): Run {
  const inList = operator.text === "contains";
  expectType(left, ["text"], operator.text);
  expectType(right, inList ? ["text", "number", "boolean"] : ["text"], operator.text);
  const a = left.run;
  const b = right.run;
  if (inList) {
    return (event) => {
      const x = a(event);
      const y = b(event);
      if (typeof x === "string") return typeof y === "string" && x.includes(y);
      return Array.isArray(x) && x.includes(y);
    };
  }
  const starts = operator.text === "startsWith";
  return (event) => {
    const x = a(event);
    const y = b(event);
    if (typeof x !== "string" || typeof y !== "string") return false;
    return starts ? x.startsWith(y) : x.endsWith(y);
  };
}

/** `in`: equal to one of the items. */
export function membership(left: Part, items: readonly Part[]): Run {
  const types = new Set(items.map(({ type }) => type));
  if (left.type !== "any" && !types.has(left.type)) {
    throw new ExpressionError(`a ${left.type} is never in this list`, left.column);
  }
  const values = new Set<unknown>(items.map(({ constant }) => constant!.value));
  const { run } = left;
  return (event) => values.has(run(event));
}

/** Numbers; `+` joins two texts too. Null where it cannot be, also for a division by 0. */
export function arithmetic(operator: Operator, left: Part, right: Part): Part {
  const allowed: ValueType[] = operator.text === "+" ? ["number", "text"] : ["number"];
  expectType(left, allowed, operator.text);
  expectType(right, allowed, operator.text);
  if (left.type !== "any" && right.type !== "any" && left.type !== right.type) {
    const message = `+ of a ${left.type} and a ${right.type}; text() makes a text of a number`;
    throw new ExpressionError(message, operator.column);
  }
  const compute = ARITHMETIC[operator.text]!;
  const joins = operator.text === "+";
  const a = left.run;
  const b = right.run;
  const run: Run = (event) => {
    const x = a(event);
    const y = b(event);
    if (typeof x === "number" && typeof y === "number") {
      const result = compute(x, y);
      return Number.isFinite(result) ? result : null;
    }
    return joins && typeof x === "string" && typeof y === "string" ? x + y : null;
  };
  const type = joins ? (left.type === "any" ? right.type : left.type) : "number";
  return { type, run, column: operator.column };
}

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};

/** @throws ExpressionError where the type is known and none of these. */
export function expectType(part: Part, types: readonly ValueType[], what: string): void {
  if (part.type === "any" || types.includes(part.type)) return;
  const wanted = types.join(" or ");
  throw new ExpressionError(`${what} wants a ${wanted}, this is a ${part.type}`, part.column);
}
