import type { RE2JS } from "re2js";

/** A regular expression whose cost is linear in the text, whatever the text. */
export interface LinearRegex {
  /** True where the whole text matches. */
  matches(text: string): boolean;
}

/** Steps of a compiled expression: a few hundred are long for a path, thousands are a mistake. */
const MAX_PROGRAM = 2_000;

/**
 * Compiles an expression in RE2's syntax (https://github.com/google/re2/wiki/Syntax): no look-around
 * and no back references, which is what makes it linear. Returns what is wrong with it as a text.
 */
export function compileLinearRegex(pattern: string): LinearRegex | string {
  // Only here: the engine takes 15 MB, and most sidecars have no regular expression.
  const engine = require("re2js") as { readonly RE2JS: typeof RE2JS };
  try {
    const compiled = engine.RE2JS.compile(pattern);
    if (compiled.programSize() > MAX_PROGRAM) return "it is too large: repeat less, or say it simpler";
    return { matches: (text) => compiled.testExact(text) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return reason.replace(/^error parsing regexp: /, "");
  }
}
