/** A failure that a person can act on. The command line prints it and exits with its code. */
export class Failure extends Error {
  override readonly name = "Failure";
  constructor(
    readonly kind: FailureKind,
    /** What was found, what was expected, where. */
    message: string,
    /** What to do about it. */
    readonly advice?: string,
  ) {
    super(message);
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

export type FailureKind = keyof typeof EXIT_CODES;

/** Stable; documented in docs/reference/exit-codes.md. */
export const EXIT_CODES = {
  /** The command worked and found problems: in files, a difference, errors under load. */
  "found-problems": 1,
  usage: 2,
  "input-not-found": 3,
  "port-in-use": 4,
  "command-not-found": 5,
  "upstream-unreachable": 6,
  "disk-full": 7,
  permission: 8,
  "not-running": 9,
  "already-running": 10,
  "missing-part": 11,
  refused: 12,
  internal: 70,
  interrupted: 130,
} as const;
