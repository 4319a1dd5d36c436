import type { Event } from "../api/event.ts";
import type { Json } from "../schema/field.ts";
import { text } from "../schema/field.ts";
import type { Field } from "../schema/field.ts";
import { ExpressionError } from "./expression/tokens.ts";
import { parseExpression } from "./expression/parser.ts";
import type { ValueType } from "./expression/parser.ts";

export type Compiled =
  | {
      readonly ok: true;
      /** What it gives, as far as it can be known without an event. */
      readonly type: ValueType;
      /** Never throws, changes nothing; what is not there is null. */
      run(event: Event): unknown;
    }
  | { readonly ok: false; readonly problem: string; readonly column: number };

/**
 * Compiles an expression to closures: `event.level == "error" && event.http.status >= 500`. It has
 * no loops, no names but the event's, and ends after as many steps as it has parts.
 */
export function compileExpression(written: string): Compiled {
  try {
    const { type, run } = parseExpression(written);
    return { ok: true, type, run };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { ok: false, problem: error.message, column: error.column };
  }
}

export const MAX_EXPRESSION_LENGTH = 4096;

/** What is wrong with it, or null. `wants`: what it has to give. */
export function expressionProblem(written: string, wants: "condition" | "value"): string | null {
  const compiled = compileExpression(written);
  if (!compiled.ok) return `column ${compiled.column}: ${compiled.problem}`;
  if (wants === "value" || compiled.type === "boolean" || compiled.type === "any") return null;
  return `it gives a ${compiled.type}, and has to give true or false`;
}

/** A field that holds a condition; only `true` is true. */
export function condition(): Field<(event: Event) => boolean> {
  return text({
    maxLength: MAX_EXPRESSION_LENGTH,
    expected: 'a condition such as event.level == "error"',
    check: (written) => expressionProblem(written, "condition"),
  })
    .example('event.level == "error"')
    .as((written) => {
      const run = runOf(written);
      return (event) => run(event) === true;
    });
}

/** A field that holds an expression of any type. */
export function expression(example: Json = "event.user"): Field<(event: Event) => unknown> {
  return text({
    maxLength: MAX_EXPRESSION_LENGTH,
    expected: "an expression such as event.user",
    check: (written) => expressionProblem(written, "value"),
  })
    .example(example)
    .as(runOf);
}

/** For a text that was checked. */
export function runOf(written: string): (event: Event) => unknown {
  const compiled = compileExpression(written);
  if (!compiled.ok) throw new Error(`bug: an unchecked expression: ${compiled.problem}`);
  return compiled.run;
}
