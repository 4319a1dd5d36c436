import type { Node, NodeKind, Path } from "./node.ts";
import { nodeAt, nodeOf, parsePath, pathText, placeOf } from "./node.ts";
import type { Problem } from "./problem.ts";
import { foundText } from "./problem.ts";

/** What a file may hold: the written form of a value, before parsing. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

export type JsonSchema = { readonly [key: string]: Json | undefined };

/** The answer of a rule that could not read its node; the reason is in the problems. */
export const INVALID: unique symbol = Symbol("invalid");
export type Invalid = typeof INVALID;

/** What a rule, and nothing else, knows of a type: how to read, describe and publish it. */
export interface Rule<T> {
  /** Kinds of nodes that this rule may accept: `oneOf` chooses by them. */
  readonly kinds: readonly NodeKind[];
  read(node: Node, reading: Reading): T | Invalid;
  /** For people: `a duration such as "2s"`; used in "expected ..." and in reference pages. */
  readonly expected: string;
  jsonSchema(): JsonSchema;
  /** Fields inside, with the path step that leads there (`timeout`, `NAME`, `[]`). */
  parts(): readonly Part[];
}

export interface Part {
  /** A field name, `*NAME` for a key that the user chooses, `[]` for a list's item. */
  readonly step: string;
  readonly field: AnyField;
}

/** A field that is accepted but has an effect only elsewhere. */
export interface Note {
  readonly kind: "only-on";
  readonly where: string;
  readonly field: string;
  readonly line: number;
  readonly column: number;
}

/** As many problems of one `parse` are kept. */
const MAX_PARSE_PROBLEMS = 1000;

/** The fields of an object that were right or missing, and the names of those that were wrong. */
interface ReadSoFar {
  readonly value: Readonly<Record<string, unknown>>;
  readonly failed: ReadonlySet<string>;
}

/** One pass over one document: the path where it stands, and what it found. */
export class Reading {
  readonly path: (string | number)[];
  /** What could be read of the object that was INVALID last, for checks that need no more. */
  partial: ReadSoFar | null = null;
  #count = 0;

  constructor(
    readonly file: string,
    readonly root: Node,
    readonly report: (problem: Problem) => void,
    readonly note: (note: Note) => void,
    start: Path = [],
  ) {
    this.path = [...start];
  }

  takePartial(): ReadSoFar | null {
    const { partial } = this;
    this.partial = null;
    return partial;
  }

  /** So many problems were reported that no more are kept. */
  get isFull(): boolean {
    return this.#count >= MAX_PARSE_PROBLEMS;
  }

  /** A problem at a node of the current path. */
  problem(node: Node, message: string, advice: string | null = null): void {
    const { line, column } = node;
    this.#count++;
    this.report({
      file: this.file,
      line,
      column,
      field: pathText(this.path),
      found: node.kind === "null" ? null : foundText(node),
      message,
      advice,
    });
  }

  /** Like `problem`, at a place of its own. */
  problemAt(place: { line: number; column: number }, path: Path, problem: ProblemText): void {
    const { line, column } = place;
    const { message, advice = null, found = null } = problem;
    this.#count++;
    this.report({ file: this.file, line, column, field: pathText(path), found, message, advice });
  }

  /** The current path as messages name it: without the `spec.` that all fields share. */
  get name(): string {
    return fieldName(this.path);
  }
}

export interface ProblemText {
  readonly message: string;
  readonly advice?: string | null;
  readonly found?: string | null;
}

/** `spec.calls.api` is `calls.api` for people; the document itself is `the file`. */
export function fieldName(path: Path): string {
  if (path.length === 0) return "the document";
  return pathText(path[0] === "spec" && path.length > 1 ? path.slice(1) : path);
}

export type Presence = "required" | "optional" | "later";

/** What a check may say: a problem at a path (`pathText`) below the value that it checks. */
export type CheckReport = (path: string | Path, message: string, advice?: string) => void;

/** A rule across fields. `node` tells what was written from what is a default. */
export type Check<T> = (value: T, report: CheckReport, node: Node) => void;

interface CheckEntry<T> {
  /** The fields that it looks at: it runs where these are right. Null: all have to be. */
  readonly needs: ReadonlySet<string> | null;
  readonly run: Check<T>;
}

interface Meta<T> {
  readonly about: string;
  readonly examples: readonly Json[];
  readonly defaultWritten: Json | undefined;
  readonly optional: boolean;
  readonly later: Later | null;
  readonly onlyOn: string | null;
  readonly checks: readonly CheckEntry<T>[];
}

export interface Later {
  /** What is missing, as a clause: `mutual TLS is not there yet`. */
  readonly reason: string;
  /** What a user would wrongly rely on, as a verb: `encrypt the traffic`; else empty. */
  readonly protects: string;
}
const NO_META: Meta<any> = {
  about: "",
  examples: [],
  defaultWritten: undefined,
  optional: false,
  later: null,
  onlyOn: null,
  checks: [],
};
export type AnyField = Field<any, Presence>;

/** The type after parsing: durations in ms, percents as ratios, sizes in bytes. */
export type Infer<F> = F extends Field<infer T, Presence> ? T : never;

/** A definition. Immutable: each method returns a changed copy. */
export class Field<out T, out P extends Presence = "required"> {
  declare readonly presence: P;
  #defaultValue: { readonly value: T } | undefined;

  constructor(
    readonly rule: Rule<T>,
    readonly meta: Meta<any> = NO_META,
  ) {}

  #with(change: Partial<Meta<T>>): Field<T, P> {
    return new Field(this.rule, { ...this.meta, ...change });
  }

  /** One or two sentences: what it does, its unit, why the default is what it is. */
  about(text: string): Field<T, P> {
    return this.#with({ about: text });
  }

  /** Nobody has to write it; without a default it is undefined then. */
  optional(): Field<T, "optional"> {
    return this.#with({ optional: true }) as unknown as Field<T, "optional">;
  }

  /** In the written form (`"2s"`, `"25%"`, `{}`); read like a file, so it cannot be invalid. */
  default(written: Json): Field<T, "required"> {
    return this.#with({ defaultWritten: written }) as unknown as Field<T, "required">;
  }

  /** In the written form. Examples are read by a test. */
  example(written: Json): Field<T, P> {
    return this.#with({ examples: [...this.meta.examples, written] });
  }

  /** Refused until its feature works. Say what it would protect, if it does. */
  later(reason: string, protects = ""): Field<never, "later"> {
    return this.#with({ later: { reason, protects }, optional: true }) as unknown as Field<
      never,
      "later"
    >;
  }

  /** Accepted, with an effect only there (`kubernetes`); elsewhere it is listed as unused. */
  onlyOn(where: string): Field<T, P> {
    return this.#with({ onlyOn: where });
  }

  /** A rule across fields; called only with a value that is valid by itself. */
  check(run: Check<T>): Field<T, P> {
    return this.#with({ checks: [...this.meta.checks, { needs: null, run }] });
  }

  /** The same for some fields of an object: called where these are right. */
  checkOf<const K extends keyof T & string>(
    needs: readonly K[],
    run: Check<Pick<T, K>>,
  ): Field<T, P> {
    return this.#with({ checks: [...this.meta.checks, { needs: new Set<string>(needs), run }] });
  }

  /** Another shape for the program; the file, its schema and its pages stay the same. */
  as<U>(change: (value: T) => U): Field<U, P> {
    const rule = this.rule;
    const changed: Rule<U> = {
      kinds: rule.kinds,
      expected: rule.expected,
      jsonSchema: () => rule.jsonSchema(),
      parts: () => rule.parts(),
      read: (node, reading) => {
        const value = readChecked(this, node, reading);
        return value === INVALID ? INVALID : change(value);
      },
    };
    return new Field(changed, { ...this.meta, checks: [] });
  }

  /** Whether an object without it is whole. */
  get mayBeMissing(): boolean {
    const { optional, defaultWritten } = this.meta;
    return optional || defaultWritten !== undefined;
  }

  /** The parsed default, or undefined. */
  defaultValue(): T | undefined {
    if (this.meta.defaultWritten === undefined) return undefined;
    if (this.#defaultValue === undefined) {
      const { value, problems } = parse(this, nodeOf(this.meta.defaultWritten));
      if (problems.length > 0) {
        throw new Error(`A field's default is invalid: ${problems[0]!.message}`);
      }
      this.#defaultValue = { value: value as T };
    }
    return this.#defaultValue.value;
  }

  /** Reads a node in its context: `later`, `onlyOn`, the rule, then the checks. */
  read(node: Node, reading: Reading): T | Invalid {
    const { later, onlyOn } = this.meta;
    if (later !== null) {
      reportLater(node, reading, later);
      return INVALID;
    }
    if (onlyOn !== null) noteOnlyOn(onlyOn, reading);
    return readChecked(this, node, reading);
  }
}

/** Notes that what stands at the current path has an effect only on `where`. */
export function noteOnlyOn(where: string, reading: Reading): void {
  const { place } = placeOf(reading.root, reading.path);
  reading.note({ kind: "only-on", where, field: pathText(reading.path), ...place });
}

function readChecked<T>(field: Field<T, Presence>, node: Node, reading: Reading): T | Invalid {
  reading.takePartial();
  const value = field.rule.read(node, reading);
  const partial = reading.takePartial();
  let failed = value === INVALID;
  for (const { needs, run } of field.meta.checks) {
    if (value !== INVALID) failed = runCheck(run, value, node, reading) || failed;
    else if (partial !== null && needs !== null && needs.isDisjointFrom(partial.failed)) {
      runCheck(run, partial.value as T, node, reading);
    }
  }
  if (failed) reading.partial = partial;
  return failed ? INVALID : value;
}

/** True where the check had something to say. */
function runCheck<T>(run: Check<T>, value: T, node: Node, reading: Reading): boolean {
  let failed = false;
  const shared =
    reading.path.length === 0 || (reading.path.length === 1 && reading.path[0] === "spec");
  const prefix = shared ? "" : `${reading.name}: `;
  const report: CheckReport = (path, message, advice) => {
    failed = true;
    const steps = typeof path === "string" ? parsePath(path) : path;
    const { place, depth } = placeOf(node, steps);
    const own = depth === 0 ? placeOf(reading.root, reading.path).place : place;
    const full = [...reading.path, ...steps];
    const at = nodeAt(node, steps);
    const found = at === undefined || at.kind === "null" ? null : foundText(at);
    reading.problemAt(own, full, { message: prefix + message, advice: advice ?? null, found });
  };
  run(value, report, node);
  return failed;
}

function reportLater(node: Node, reading: Reading, later: Later): void {
  const { place } = placeOf(reading.root, reading.path);
  const { protects, reason } = later;
  const what =
    protects === ""
      ? `${reading.name} has no effect yet: ${reason}`
      : `${reading.name} is not enforced yet: ${reason}, so nothing would ${protects}`;
  reading.problemAt(place, reading.path, {
    message: what,
    advice: "remove it, or wait for the release that brings it",
    found: foundText(node),
  });
}

export interface Parsed<T> {
  /** Undefined where there are problems. */
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
  readonly notes: readonly Note[];
}

/** Reads a node by a definition; collects all problems. `at` is the node's path in its file. */
export function parse<T>(
  field: Field<T, Presence>,
  node: Node,
  options: { readonly file?: string; readonly at?: Path; readonly root?: Node } = {},
): Parsed<T> {
  const problems: Problem[] = [];
  const notes: Note[] = [];
  let failed = false;
  const reading = new Reading(
    options.file ?? "",
    options.root ?? node,
    (problem) => {
      failed = true;
      if (problems.length < MAX_PARSE_PROBLEMS) problems.push(problem);
    },
    (note) => notes.push(note),
    options.at ?? [],
  );
  const value = field.read(node, reading);
  return { value: failed || value === INVALID ? undefined : value, problems, notes };
}
