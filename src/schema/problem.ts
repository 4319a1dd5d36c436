import type { Node } from "./node.ts";

/** Something in a file that a person has to change. */
export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Where in the document, for example `spec.calls.api.timeout`; empty where there is none. */
  readonly field: string;
  /** The offending value, shortened; null where something is missing. */
  readonly found: string | null;
  /** What was found and what was expected. */
  readonly message: string;
  /** What to do. */
  readonly advice: string | null;
}

/** As many problems are shown at once; the rest is counted. */
export const MAX_SHOWN_PROBLEMS = 100;

/** As many are held for sorting before some are cut: a file of a MiB can be wrong in each line. */
const MAX_HELD_PROBLEMS = 1000;

/** A bounded list of problems. */
export class ProblemList {
  #held: Problem[] = [];
  #dropped = 0;

  add(problem: Problem): void {
    if (this.#held.length < MAX_HELD_PROBLEMS) this.#held.push(problem);
    else this.#dropped++;
  }

  /** So many were added that no more are kept: their texts need no care. */
  get isFull(): boolean {
    return this.#dropped > 0;
  }

  get count(): number {
    return this.#held.length + this.#dropped;
  }

  /** By line within a file; files stay in the order given. `more` counts what is not shown. */
  sorted(files: readonly string[]): { problems: readonly Problem[]; more: number } {
    const order = new Map(files.map((file, index) => [file, index]));
    const rank = (problem: Problem): number => order.get(problem.file) ?? files.length;
    const sorted = [...this.#held].sort(
      (a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column,
    );
    const problems = sorted.slice(0, MAX_SHOWN_PROBLEMS);
    return { problems, more: this.count - problems.length };
  }
}

/** One line: `shop.yaml:14:7: "timeuot" is not a field of calls.api; did you mean "timeout"?` */
export function formatProblem(problem: Problem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`;
  const advice = problem.advice === null ? "" : `; ${problem.advice}`;
  return `${where}: ${problem.message}${advice}`;
}

/** All of them, one a line, with "and N more" where some were cut. */
export function formatProblems(problems: readonly Problem[], more = 0): string {
  const lines = problems.map(formatProblem);
  if (more > 0) lines.push(`and ${more} more`);
  return lines.join("\n");
}

/** For `-o json`: a stable shape. */
export function problemsAsJson(
  problems: readonly Problem[],
  more = 0,
): { readonly problems: readonly Problem[]; readonly more: number } {
  return {
    problems: problems.map(({ file, line, column, field, found, message, advice }) => {
      return { file, line, column, field, found, message, advice };
    }),
    more,
  };
}

const MAX_SHOWN_CHARACTERS = 40;

/** Control characters shown, long texts cut: for error messages. */
export function shorten(text: string): string {
  let shown = "";
  let count = 0;
  for (const character of text) {
    if (count === MAX_SHOWN_CHARACTERS) return `${shown}...`;
    const code = character.codePointAt(0)!;
    if (character === "\n") shown += "\\n";
    else if (character === "\t") shown += "\\t";
    // Controls, and what turns the direction of a terminal's text.
    else if (code < 32 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e)) {
      shown += `\\u${code.toString(16).padStart(4, "0")}`;
    } else shown += character;
    count++;
  }
  return shown;
}

/** A value as a message shows it: `"abc"`, `12`, `a list of 3`, `nothing`. */
export function foundText(node: Node): string {
  switch (node.kind) {
    case "null":
      return "nothing";
    case "text":
      return `"${shorten(node.value)}"`;
    case "number":
    case "boolean":
      return shorten(node.source);
    case "list":
      return node.items.length === 0 ? "an empty list" : `a list of ${node.items.length}`;
    case "map": {
      const keys = node.entries.slice(0, 3).map((entry) => shorten(entry.key));
      if (keys.length === 0) return "an empty object";
      const dots = node.entries.length > keys.length ? ", ..." : "";
      return `an object with ${keys.join(", ")}${dots}`;
    }
  }
}
