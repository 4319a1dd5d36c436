import type {
  AnyField,
  Infer,
  Invalid,
  JsonSchema,
  Presence,
  Reading,
  Rule,
} from "./field_core.ts";
import { Field, INVALID, fieldName } from "./field_core.ts";
import { fieldSchema } from "./json_schema.ts";
import type { MapEntry, MapNode, Node, NodeKind } from "./node.ts";
import { entryOf } from "./node.ts";
import { foundText, shorten } from "./problem.ts";
import { writtenText } from "./reference.ts";
import { listWords, wrongType } from "./scalars.ts";
import { adviceFor } from "./spelling.ts";

// ---------------------------------------------------------------- list

export interface ListOptions {
  readonly min?: number;
  /** 1000 where nothing is said, so that every list is bounded. */
  readonly max?: number;
  /** No item twice (compared after parsing; texts and numbers). */
  readonly unique?: boolean;
}

const DEFAULT_MAX_ITEMS = 1000;

export function list<T>(item: Field<T, Presence>, options: ListOptions = {}): Field<readonly T[]> {
  const { min = 0, max = DEFAULT_MAX_ITEMS, unique = false } = options;
  const expected = `a list, each item ${item.rule.expected}`;
  const rule: Rule<readonly T[]> = {
    kinds: ["list"],
    expected,
    parts: () => [{ step: "[]", field: item }],
    jsonSchema: () => ({
      type: "array",
      items: fieldSchema(item),
      ...(min > 0 ? { minItems: min } : {}),
      maxItems: max,
      ...(unique ? { uniqueItems: true } : {}),
    }),
    read: (node, reading) => {
      if (node.kind !== "list") {
        const one = item.rule.kinds.includes(node.kind) && node.kind !== "map";
        const advice = one ? `write [${foundText(node).replaceAll('"', "")}]` : null;
        return wrongType(node, reading, expected, advice);
      }
      const { items } = node;
      if (items.length < min) return wrongType(node, reading, `at least ${count(min, "item")}`);
      if (items.length > max) return wrongType(node, reading, `at most ${count(max, "item")}`);
      return readItems(item, items, reading, unique);
    },
  };
  return new Field(rule);
}

function readItems<T>(
  item: Field<T, Presence>,
  items: readonly Node[],
  reading: Reading,
  unique: boolean,
): readonly T[] | Invalid {
  const values: T[] = [];
  const seen = new Map<T, number>();
  let failed = false;
  for (const [index, node] of items.entries()) {
    reading.path.push(index);
    const value = item.read(node, reading);
    if (value === INVALID) failed = true;
    else {
      const first = unique ? seen.get(value) : undefined;
      if (first !== undefined) {
        failed = true;
        const message = `${reading.name}: ${foundText(node)} stands there twice`;
        reading.problem(node, message, "remove one of them");
      }
      seen.set(value, index);
      values.push(value);
    }
    reading.path.pop();
  }
  return failed ? INVALID : values;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

// ---------------------------------------------------------------- map

export interface MapOptions {
  /** What a key has to look like. */
  readonly key?: RegExp;
  /** For people: `a name such as "api"`. */
  readonly keyExpected?: string;
  /** How reference pages call the key: `NAME`. */
  readonly keyName?: string;
  /** 1000 where nothing is said. */
  readonly max?: number;
}

/** Keys that the user chooses. The result has no prototype: any key is safe in it. */
export function map<T>(
  item: Field<T, Presence>,
  options: MapOptions = {},
): Field<Readonly<Record<string, T>>> {
  const { key, keyExpected = "a name", keyName = "NAME", max = DEFAULT_MAX_ITEMS } = options;
  const expected = `an object of ${keyName}: ${item.rule.expected}`;
  const rule: Rule<Readonly<Record<string, T>>> = {
    kinds: ["map"],
    expected,
    parts: () => [{ step: `*${keyName}`, field: item }],
    jsonSchema: (): JsonSchema => ({
      type: "object",
      maxProperties: max,
      ...(key === undefined
        ? { additionalProperties: fieldSchema(item) }
        : { patternProperties: { [key.source]: fieldSchema(item) }, additionalProperties: false }),
    }),
    read: (node, reading) => {
      if (node.kind !== "map") return wrongType(node, reading, expected);
      const { entries } = node;
      if (entries.length > max) return wrongType(node, reading, `at most ${max} entries`);
      const values = Object.create(null) as Record<string, T>;
      let failed = false;
      for (const entry of entries) {
        reading.path.push(entry.key);
        if (key !== undefined && !key.test(entry.key)) {
          failed = true;
          wrongKey(entry, reading, keyExpected);
        }
        const value = item.read(entry.value, reading);
        if (value === INVALID) failed = true;
        else values[entry.key] = value;
        reading.path.pop();
      }
      return failed ? INVALID : values;
    },
  };
  return new Field(rule);
}

function wrongKey(entry: MapEntry, reading: Reading, expected: string): void {
  const found = `"${shorten(entry.key)}"`;
  const parent = fieldName(reading.path.slice(0, -1));
  reading.problemAt(entry.keyPlace, reading.path, {
    message: `${found} is not a key that ${parent} can have, expected ${expected}`,
    found,
  });
}

// ---------------------------------------------------------------- object

export type Shape = Readonly<Record<string, AnyField>>;

type RequiredKeys<S extends Shape> = {
  [K in keyof S]: S[K] extends Field<unknown, infer P> ? (P extends "required" ? K : never) : never;
}[keyof S];

/** The value of an object after parsing; what may be missing has a `?`. */
export type ObjectOf<S extends Shape> = {
  readonly [K in RequiredKeys<S>]: Infer<S[K]>;
} & {
  readonly [K in Exclude<keyof S, RequiredKeys<S>>]?: Infer<S[K]>;
} extends infer O
  ? { readonly [K in keyof O]: O[K] }
  : never;

/** Fixed fields; an unknown one is a problem with a suggestion. */
export function object<S extends Shape>(shape: S): Field<ObjectOf<S>> {
  const names = Object.keys(shape);
  const expected = `an object with ${names.length > 6 ? "fields such as " : ""}${names
    .slice(0, 6)
    .join(", ")}`;
  const offered = names.filter((name) => shape[name]!.meta.later === null);
  const rule: Rule<ObjectOf<S>> = {
    kinds: ["map"],
    expected,
    parts: () => names.map((name) => ({ step: name, field: shape[name]! })),
    jsonSchema: () => objectSchema(shape),
    read: (node, reading) => {
      if (node.kind !== "map") {
        const empty = node.kind === "null" && names.every((name) => shape[name]!.mayBeMissing);
        return wrongType(node, reading, expected, empty ? "write {} for the defaults" : null);
      }
      const unknown = reportUnknown(node, names, reading, offered);
      const value: Record<string, unknown> = {};
      const failed = new Set<string>();
      for (const name of names) {
        const result = readMember(shape[name]!, name, node, reading);
        if (result === INVALID) failed.add(name);
        else if (result !== undefined) value[name] = result;
      }
      if (!unknown && failed.size === 0) return value as ObjectOf<S>;
      reading.partial = { value, failed };
      return INVALID;
    },
  };
  return new Field(rule);
}

/** Reads one field of an object: its value, its default, undefined, or a problem if it must be. */
export function readMember(
  field: AnyField,
  name: string,
  node: MapNode,
  reading: Reading,
): unknown {
  const entry = entryOf(node, name);
  if (entry === undefined) {
    if (field.mayBeMissing) return field.defaultValue();
    const parent = fieldName(reading.path);
    const example = exampleText(field);
    reading.problem(
      node,
      `${parent} has no "${name}", which it needs`,
      `add ${name}: ${example ?? field.rule.expected}`,
    );
    return INVALID;
  }
  reading.path.push(name);
  const value: unknown = field.read(entry.value, reading);
  reading.path.pop();
  return value;
}

function exampleText(field: AnyField): string | null {
  const [example] = field.meta.examples;
  return example === undefined ? null : writtenText(example);
}

/** Names what nobody knows; true if there was any. `offered`: what the advice may give. */
export function reportUnknown(
  node: MapNode,
  names: readonly string[],
  reading: Reading,
  offered: readonly string[] = names,
): boolean {
  let found = false;
  for (const entry of node.entries) {
    if (names.includes(entry.key)) continue;
    found = true;
    const key = `"${shorten(entry.key)}"`;
    reading.problemAt(entry.keyPlace, [...reading.path, entry.key], {
      message: `${key} is not a field of ${reading.name}`,
      // Comparing words costs the most, and nobody reads the thousandth.
      advice: reading.isFull ? null : adviceFor(entry.key, offered),
      found: key,
    });
  }
  return found;
}

function objectSchema(shape: Shape): JsonSchema {
  const names = Object.keys(shape);
  const required = names.filter((name) => !shape[name]!.mayBeMissing);
  return {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, fieldSchema(shape[name]!)])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

// ---------------------------------------------------------------- one of several shapes

const KIND_NAMES: Readonly<Record<NodeKind, string>> = {
  text: "a text",
  number: "a number",
  boolean: "true or false",
  null: "nothing",
  list: "a list",
  map: "an object",
};

/** Chosen by the kind of what is written: a text here, an object there. The first that fits. */
export function oneOf<const F extends readonly AnyField[]>(...fields: F): Field<Infer<F[number]>> {
  const kinds = [...new Set(fields.flatMap((field) => field.rule.kinds))];
  const expected = fields.map((field) => field.rule.expected).join(", or ");
  const rule: Rule<Infer<F[number]>> = {
    kinds,
    expected,
    // Scalars have no parts; an object's or a list's are those of the field.
    parts: () => fields.flatMap((field) => field.rule.parts()),
    jsonSchema: () => ({ anyOf: fields.map((field) => fieldSchema(field)) }),
    read: (node, reading) => {
      const field = fields.find((candidate) => candidate.rule.kinds.includes(node.kind));
      if (field === undefined) return wrongType(node, reading, expected);
      return field.read(node, reading) as Infer<F[number]> | Invalid;
    },
  };
  return new Field(rule);
}

/** Kinds of nodes in words, for messages of own rules. */
export function kindNames(kinds: readonly NodeKind[]): string {
  return listWords(kinds.map((kind) => KIND_NAMES[kind])).replaceAll('"', "");
}
