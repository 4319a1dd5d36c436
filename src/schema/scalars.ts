import type { Json, JsonSchema, Reading, Rule } from "./field_core.ts";
import { Field, INVALID, noteOnlyOn } from "./field_core.ts";
import type { Node } from "./node.ts";
import { foundText } from "./problem.ts";
import { adviceFor, nearest } from "./spelling.ts";
import {
  CPU_PATTERN,
  DURATION_PATTERN,
  PERCENT_PATTERN,
  SIZE_PATTERN,
  formatCpu,
  formatDuration,
  formatPercent,
  formatSize,
  parseCpu,
  parseDuration,
  parsePercent,
  parseSize,
} from "./units.ts";

/** `timeout: found "soon", expected a duration such as "2s"`. */
export function wrongType(
  node: Node,
  reading: Reading,
  expected: string,
  advice: string | null = null,
): typeof INVALID {
  reading.problem(node, `${reading.name}: found ${foundText(node)}, expected ${expected}`, advice);
  return INVALID;
}

// ---------------------------------------------------------------- text

export interface TextOptions {
  readonly pattern?: RegExp;
  /** What the pattern or the check wants, for people: `a host name such as "api.example.com"`. */
  readonly expected?: string;
  /** What is wrong with it, or null. JSON Schema cannot say it: use a pattern where one can. */
  readonly check?: (text: string) => string | null;
  /** What to do about a text that the pattern refuses, or null. */
  readonly advise?: (text: string) => string | null;
  readonly minLength?: number;
  /** In UTF-16 units; 65,536 where nothing is said, so that every text is bounded. */
  readonly maxLength?: number;
  /** Numbers and booleans are taken as they were written (environment variables). */
  readonly scalars?: boolean;
}

const DEFAULT_MAX_TEXT = 65_536;

/** A text; not empty unless `minLength: 0`. */
export function text(options: TextOptions = {}): Field<string> {
  const { pattern, check, minLength = 1, maxLength = DEFAULT_MAX_TEXT, scalars = false } = options;
  const expected = options.expected ?? (scalars ? "a text, number or boolean" : "a text");
  const rule: Rule<string> = {
    kinds: scalars ? ["text", "number", "boolean"] : ["text"],
    expected,
    parts: () => [],
    jsonSchema: (): JsonSchema => ({
      type: scalars ? ["string", "number", "boolean"] : "string",
      ...(pattern === undefined ? {} : { pattern: pattern.source }),
      ...(minLength > 0 ? { minLength } : {}),
      ...(maxLength < DEFAULT_MAX_TEXT ? { maxLength } : {}),
    }),
    read: (node, reading) => {
      const value = textValue(node, scalars);
      if (value === null) {
        const quote = node.kind === "number" || node.kind === "boolean";
        return wrongType(node, reading, expected, quote ? `write "${node.source}"` : null);
      }
      if (value.length < minLength) return wrongType(node, reading, `${expected}, not empty`);
      if (value.length > maxLength) {
        const long = `${expected} of at most ${maxLength} characters`;
        return wrongType(node, reading, long, `it has ${value.length}`);
      }
      if (pattern !== undefined && !pattern.test(value)) {
        return wrongType(node, reading, expected, options.advise?.(value) ?? null);
      }
      const wrong = check?.(value) ?? null;
      if (wrong === null) return value;
      return wrongType(node, reading, expected, wrong);
    },
  };
  return new Field(rule);
}

function textValue(node: Node, scalars: boolean): string | null {
  if (node.kind === "text") return node.value;
  if (scalars && (node.kind === "number" || node.kind === "boolean")) return node.source;
  return null;
}

// ---------------------------------------------------------------- numbers

export interface NumberOptions {
  readonly min?: number;
  readonly max?: number;
  readonly expected?: string;
}

export function integer(options: NumberOptions = {}): Field<number> {
  return numeric(options, true);
}

export function number(options: NumberOptions = {}): Field<number> {
  return numeric(options, false);
}

/** A TCP port that can be named: 1 to 65535. */
export function port(): Field<number> {
  return numeric({ min: 1, max: 65_535, expected: "a port from 1 to 65535" }, true);
}

function numeric(options: NumberOptions, whole: boolean): Field<number> {
  const { min = whole ? Number.MIN_SAFE_INTEGER : undefined, max } = options;
  const top = max ?? (whole ? Number.MAX_SAFE_INTEGER : undefined);
  const expected =
    options.expected ?? describeRange(options, whole ? "a whole number" : "a number");
  const rule: Rule<number> = {
    kinds: ["number"],
    expected,
    parts: () => [],
    jsonSchema: () => ({ type: whole ? "integer" : "number", minimum: min, maximum: top }),
    read: (node, reading) => {
      if (node.kind !== "number") {
        const quoted = node.kind === "text" && /^-?[0-9]+(\.[0-9]+)?$/.test(node.value);
        const advice = quoted ? `write ${node.value} without quotes` : null;
        return wrongType(node, reading, expected, advice);
      }
      const { value } = node;
      const fits = whole ? Number.isSafeInteger(value) : Number.isFinite(value);
      if (!fits || (min !== undefined && value < min) || (top !== undefined && value > top)) {
        return wrongType(node, reading, expected);
      }
      return value;
    },
  };
  return new Field(rule);
}

function describeRange({ min, max }: NumberOptions, what: string): string {
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`;
  if (min !== undefined) return `${what} of at least ${min}`;
  if (max !== undefined) return `${what} of at most ${max}`;
  return what;
}

export function boolean(): Field<boolean> {
  const expected = "true or false";
  const rule: Rule<boolean> = {
    kinds: ["boolean"],
    expected,
    parts: () => [],
    jsonSchema: () => ({ type: "boolean" }),
    read: (node, reading) => {
      if (node.kind === "boolean") return node.value;
      const word = node.kind === "text" ? node.value.toLowerCase() : "";
      const meant = { yes: "true", on: "true", no: "false", off: "false" }[word] ?? null;
      return wrongType(node, reading, expected, meant === null ? null : `write ${meant}`);
    },
  };
  return new Field(rule);
}

// ---------------------------------------------------------------- units

interface Unit {
  readonly pattern: RegExp;
  readonly parse: (text: string) => number | null;
  readonly format: (value: number) => string;
  /** `a duration such as "250ms", "2s", "5m", "1h" or "30d"` */
  readonly expected: string;
  /** A number without a unit: what to advise, or what it is worth. */
  readonly bare: (value: number) => number | string;
  readonly bareSchema?: JsonSchema;
}

export interface UnitOptions {
  /** In the written form: "10ms", "1%", "1Ki". */
  readonly min?: string;
  readonly max?: string;
}

function withUnit(unit: Unit, options: UnitOptions): Field<number> {
  const bound = (written: string | undefined): number | undefined => {
    if (written === undefined) return undefined;
    const value = unit.parse(written);
    if (value === null) throw new Error(`A field's bound is invalid: ${written}`);
    return value;
  };
  const min = bound(options.min);
  const max = bound(options.max);
  const range = describeUnitRange(unit, min, max);
  const rule: Rule<number> = {
    kinds: unit.bareSchema === undefined ? ["text"] : ["text", "number"],
    expected: unit.expected + range,
    parts: () => [],
    jsonSchema: () => {
      const schema: JsonSchema = { type: "string", pattern: unit.pattern.source };
      return unit.bareSchema === undefined ? schema : { anyOf: [schema, unit.bareSchema] };
    },
    read: (node, reading) => {
      let value: number | null = null;
      let advice: string | null = null;
      if (node.kind === "text") value = unit.parse(node.value);
      else if (node.kind === "number") {
        const bare = unit.bare(node.value);
        if (typeof bare === "number") value = bare;
        else advice = bare;
      }
      if (value === null) return wrongType(node, reading, unit.expected, advice);
      if ((min !== undefined && value < min) || (max !== undefined && value > max)) {
        return wrongType(node, reading, unit.expected + range);
      }
      return value;
    },
  };
  return new Field(rule);
}

function describeUnitRange(unit: Unit, min: number | undefined, max: number | undefined): string {
  if (min !== undefined && max !== undefined) {
    return `, from ${unit.format(min)} to ${unit.format(max)}`;
  }
  if (min !== undefined) return `, at least ${unit.format(min)}`;
  return max === undefined ? "" : `, at most ${unit.format(max)}`;
}

const MAX_DURATION = "3650d";

/** Milliseconds after parsing. 0 may stand without a unit. */
export function duration(options: UnitOptions = {}): Field<number> {
  return withUnit(
    {
      pattern: DURATION_PATTERN,
      parse: parseDuration,
      format: formatDuration,
      expected: 'a duration such as "250ms", "2s", "5m", "1h" or "30d"',
      bare: (value) => (value === 0 ? 0 : `add the unit, for example ${value}s or ${value}ms`),
      bareSchema: { const: 0 },
    },
    { min: options.min, max: options.max ?? MAX_DURATION },
  );
}

/** A ratio after parsing: "25%" is 0.25. From 0% to 100% unless told otherwise. */
export function percent(options: UnitOptions = {}): Field<number> {
  return withUnit(
    {
      pattern: PERCENT_PATTERN,
      parse: parsePercent,
      format: formatPercent,
      expected: 'a percentage such as "25%" or "99.9%"',
      bare: (value) =>
        value > 0 && value < 1
          ? `write ${formatPercent(value)}`
          : `write ${value}% if that is what you mean`,
    },
    { min: options.min ?? "0%", max: options.max ?? "100%" },
  );
}

/** Bytes after parsing. */
export function size(options: UnitOptions = {}): Field<number> {
  return withUnit(
    {
      pattern: SIZE_PATTERN,
      parse: parseSize,
      format: formatSize,
      expected: 'a size such as "256Mi", "1GiB" or "64KB"',
      bare: (value) => `add the unit, for example ${value}Ki or ${value}Mi`,
    },
    options,
  );
}

/** Thousandths of a core after parsing: "250m" and 0.25 are 250. */
export function cpu(options: UnitOptions = {}): Field<number> {
  return withUnit(
    {
      pattern: CPU_PATTERN,
      parse: parseCpu,
      format: formatCpu,
      expected: 'an amount of CPU such as "250m" (a quarter of a core), 0.5 or 2',
      bare: (value) => parseCpu(String(value)) ?? "write thousandths, for example 250m",
      bareSchema: { type: "number", minimum: 0 },
    },
    options,
  );
}

// ---------------------------------------------------------------- choice

export interface ChoiceOptions {
  /** Values that will be there: refused with the reason. */
  readonly later?: Readonly<Record<string, string>>;
  /** Values that are accepted and have an effect only there: `{ loopback: "kubernetes" }`. */
  readonly onlyOn?: Readonly<Record<string, string>>;
}

/** One of some words. */
export function choice<const V extends string>(
  values: readonly V[],
  options: ChoiceOptions = {},
): Field<V> {
  const later = options.later ?? {};
  const expected = listWords(values);
  const rule: Rule<V> = {
    kinds: ["text"],
    expected,
    parts: () => [],
    jsonSchema: () => ({ type: "string", enum: values as readonly Json[] }),
    read: (node, reading) => {
      if (node.kind !== "text") return wrongType(node, reading, expected);
      const word = node.value;
      if ((values as readonly string[]).includes(word)) {
        const where = options.onlyOn?.[word];
        if (where !== undefined) noteOnlyOn(where, reading);
        return word as V;
      }
      if (Object.hasOwn(later, word)) {
        const message = `${reading.name}: "${word}" does not work yet: ${later[word]}`;
        reading.problem(node, message, `use ${expected} until then`);
        return INVALID;
      }
      const meant = nearest(word, values);
      const advice = meant === null ? null : adviceFor(word, values);
      return wrongType(node, reading, expected, advice);
    },
  };
  return new Field(rule);
}

/** `a`, `a or b`, `a, b or c`, each in quotes. */
export function listWords(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`);
  if (quoted.length <= 1) return quoted.join("");
  return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}
