import { compileSearchRegex } from "../../base/search_regex.ts";
import { expectType } from "./operators.ts";
import type { Part, Run, ValueType } from "./parser.ts";
import type { Token } from "./tokens.ts";
import { ExpressionError } from "./tokens.ts";

export interface ExpressionFunction {
  readonly summary: string;
  /** Its arguments as a reference page shows them. */
  readonly arguments: readonly string[];
  readonly type: ValueType;
  /** @throws ExpressionError where the arguments cannot be right. */
  make(values: readonly Part[], name: Token): Run;
}

/** All functions of the language. What gets a value that it has no answer for gives null. */
export const FUNCTIONS: Readonly<Record<string, ExpressionFunction>> = {
  exists: {
    summary: "True where the event has the field, and it is not null.",
    arguments: ["event.x"],
    type: "boolean",
    make: ([value]) => {
      if (value!.path === undefined) {
        throw new ExpressionError("exists() wants a field such as event.x", value!.column);
      }
      const { run } = value!;
      return (event) => run(event) !== null;
    },
  },
  matches: {
    summary:
      "True where the regular expression is found in the text (RE2's syntax; ^ and $ for all of it)." +
      " Its cost is linear in the text.",
    arguments: ["event.x", '"regex"'],
    type: "boolean",
    make: ([value, pattern], name) => {
      expectType(value!, ["text"], "matches()");
      if (typeof pattern!.constant?.value !== "string") {
        throw new ExpressionError('matches() wants a quoted text: "^a+$"', pattern!.column);
      }
      const regex = compileSearchRegex(pattern!.constant.value);
      if (typeof regex === "string") {
        throw new ExpressionError(`${name.text}(): ${regex}`, pattern!.column);
      }
      const { run } = value!;
      return (event) => {
        const found = run(event);
        return typeof found === "string" && regex.test(found);
      };
    },
  },
  lower: textFunction("The text in lower case.", "text", (value) => value.toLowerCase()),
  upper: textFunction("The text in upper case.", "text", (value) => value.toUpperCase()),
  trim: textFunction("The text without spaces around it.", "text", (value) => value.trim()),
  length: {
    summary: "Characters (UTF-16 units) of a text, items of a list; else null.",
    arguments: ["event.x"],
    type: "number",
    make: ([value]) => {
      expectType(value!, ["text"], "length()");
      const { run } = value!;
      return (event) => {
        const found = run(event);
        return typeof found === "string" || Array.isArray(found) ? found.length : null;
      };
    },
  },
  number: {
    summary: "The number that a text writes: number(event.status) >= 500. A number is itself.",
    arguments: ["event.x"],
    type: "number",
    make: ([value]) => {
      const { run } = value!;
      return (event) => {
        const found = run(event);
        if (typeof found === "number") return found;
        const written = typeof found === "string" && DECIMAL.test(found);
        return written ? Number(found) : null;
      };
    },
  },
  text: {
    summary: "A number, true or false as a text. A text is itself.",
    arguments: ["event.x"],
    type: "text",
    make: ([value]) => {
      const { run } = value!;
      return (event) => {
        const found = run(event);
        return found === null || typeof found === "object" ? null : String(found);
      };
    },
  },
  default: {
    summary: "The first of the two that is not null.",
    arguments: ["event.x", "value"],
    type: "any",
    make: ([value, otherwise]) => {
      const first = value!.run;
      const second = otherwise!.run;
      return (event) => first(event) ?? second(event);
    },
  },
};

const DECIMAL = /^-?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?$/;

function textFunction(
  summary: string,
  type: ValueType,
  change: (value: string) => string,
): ExpressionFunction {
  return {
    summary,
    arguments: ["event.x"],
    type,
    make: ([value], name) => {
      expectType(value!, ["text"], `${name.text}()`);
      const { run } = value!;
      return (event) => {
        const found = run(event);
        return typeof found === "string" ? change(found) : null;
      };
    },
  };
}
