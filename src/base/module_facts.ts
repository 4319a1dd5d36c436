/** What can be told of a file of TypeScript or JavaScript without running it. */
export interface ModuleFacts {
  /** Names that it exports, `default` among them. */
  readonly exports: readonly string[];
  /** Why it cannot be read as such; null where it can. */
  readonly problem: ModuleProblem | null;
}

export interface ModuleProblem {
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

interface Message {
  readonly message: string;
  readonly position: { readonly line: number; readonly column: number } | null;
}

export function moduleFacts(source: string): ModuleFacts {
  try {
    const { exports } = new Bun.Transpiler({ loader: "ts" }).scan(source);
    return { exports, problem: null };
  } catch (error) {
    const [first] = error instanceof AggregateError ? error.errors : [error];
    const { message, position } = first as Message;
    const { line, column } = position ?? { line: 1, column: 1 };
    return { exports: [], problem: { line, column, text: message } };
  }
}
