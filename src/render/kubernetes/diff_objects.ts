/** What would change where objects are applied over others: by object and by value, with its line. */
import type { Snapshot } from "../../api/snapshot.ts";
import { findOrigin, originText } from "../../compile/origins.ts";
import { pointerStep } from "../../compile/pointer.ts";
import { sourceText } from "./explain_object.ts";
import { SNAPSHOT_FILE } from "./names.ts";
import { type KubeObject, SOURCE_ANNOTATION } from "./object.ts";
import type { Plain } from "./sourced.ts";

export interface ObjectsDiff {
  readonly same: boolean;
  /** Only objects with a change, by namespace, kind and name. */
  readonly objects: readonly ObjectDiff[];
}

export interface ObjectDiff {
  readonly kind: string;
  /** Empty for what has none. */
  readonly namespace: string;
  readonly name: string;
  readonly change: "added" | "removed" | "changed";
  /** Of what is changed. */
  readonly values: readonly ValueDiff[];
  /** The line that asks for an object that is added. */
  readonly source: string | null;
}

export interface ValueDiff {
  /** JSON pointer into the object after, or before where the value is gone. */
  readonly pointer: string;
  /** Null where there is none. */
  readonly before: Plain | null;
  readonly after: Plain | null;
  /** The line that asks for it, or the reason in words; of a value that is gone, its parent's. */
  readonly source: string;
}

type Body = { readonly [key: string]: Plain };

/** @param before objects as they were rendered once; those of others are left out of account */
export function diffObjects(before: readonly Body[], after: readonly KubeObject[]): ObjectsDiff {
  const old = new Map(before.map((body) => [keyOf(body), body]));
  const now = new Map(after.map((object) => [keyOf(object.body), object]));
  const objects: ObjectDiff[] = [];
  for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const [namespace = "", kind = "", name = ""] = key.split(" ");
    const was = old.get(key);
    const is = now.get(key);
    const values = was === undefined || is === undefined ? [] : valuesOf(was, is);
    if (was !== undefined && is !== undefined && values.length === 0) continue;
    const change = was === undefined ? "added" : is === undefined ? "removed" : "changed";
    const source = change === "added" ? sourceText(is!, "") : null;
    objects.push({ kind, namespace, name, change, values, source });
  }
  return { same: objects.length === 0, objects };
}

function keyOf({ kind, metadata }: Body): string {
  const { namespace = "", name } = metadata as { namespace?: string; name: string };
  return `${namespace} ${String(kind)} ${name}`;
}

function valuesOf(was: Body, object: KubeObject): readonly ValueDiff[] {
  const found: ValueDiff[] = [];
  // A line that moved changes nothing.
  const moved = `/metadata/annotations/${pointerStep(SOURCE_ANNOTATION)}`;
  const snapshot = snapshotIn(object.body);
  const add = (pointer: string, before: Plain | undefined, after: Plain | undefined): void => {
    if (pointer === moved) return;
    const own = pointer.startsWith(SNAPSHOT_POINTER) ? pointer.slice(SNAPSHOT_POINTER.length) : null;
    const origin = own === null || snapshot === null ? null : findOrigin(snapshot, own)?.origin;
    const source = sourceText(object, after === undefined ? pointer : ownSource(object, pointer));
    const why = origin === null || origin === undefined ? source : originText(origin);
    found.push({ pointer, before: before ?? null, after: after ?? null, source: why });
  };
  compare(readable(was), readable(object.body), "", add);
  return found;
}

const SNAPSHOT_POINTER = `/data/${pointerStep(SNAPSHOT_FILE)}`;

function snapshotIn({ data }: Body): Snapshot | null {
  const text = (data as { readonly [key: string]: string } | undefined)?.[SNAPSHOT_FILE];
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as Snapshot;
  } catch {
    return null;
  }
}

/** A Snapshot by its parts, without the lines that they are from and the hashes that follow. */
function readable(body: Body): Body {
  const snapshot = snapshotIn(body);
  if (snapshot === null) return body;
  const { policy, bindings } = snapshot;
  const data = body["data"] as { readonly [key: string]: Plain };
  return { ...body, data: { ...data, [SNAPSHOT_FILE]: { policy, bindings } as unknown as Plain } };
}

/** The first part of a value that somebody asked for, where nobody asked for the whole. */
function ownSource({ sources }: KubeObject, pointer: string): string {
  if (sources.has(pointer)) return pointer;
  const inside = `${pointer}/`;
  for (const key of sources.keys()) if (key.startsWith(inside)) return key;
  return pointer;
}

type Add = (pointer: string, before: Plain | undefined, after: Plain | undefined) => void;

function compare(before: Plain | undefined, after: Plain | undefined, at: string, add: Add): void {
  if (isMap(before) && isMap(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(before[key], after[key], `${at}/${pointerStep(key)}`, add);
    }
  } else if (Array.isArray(before) && Array.isArray(after)) {
    if (isNamed(before) && isNamed(after)) compareNamed(before, after, at, add);
    else compareItems(before as readonly Plain[], after as readonly Plain[], at, add);
  } else if (JSON.stringify(before) !== JSON.stringify(after)) add(at, before, after);
}

/** Containers, variables, ports: one that comes between others moves nothing. */
function compareNamed(before: readonly Named[], after: readonly Named[], at: string, add: Add): void {
  for (const [index, one] of after.entries()) {
    compare(before.find(({ name }) => name === one.name), one, `${at}/${index}`, add);
  }
  for (const [index, one] of before.entries()) {
    if (!after.some(({ name }) => name === one.name)) add(`${at}/${index}`, one, undefined);
  }
}

/** What is on both sides is left out, wherever it stands; as many as are left are each other's. */
function compareItems(before: readonly Plain[], after: readonly Plain[], at: string, add: Add): void {
  const left = (one: readonly Plain[], other: readonly Plain[]) => {
    const known = new Set(other.map((item) => JSON.stringify(item)));
    return [...one.entries()].filter(([, item]) => !known.has(JSON.stringify(item)));
  };
  const gone = left(before, after);
  const come = left(after, before);
  if (gone.length === 0 && come.length === 0 && before.length + after.length > 0) {
    // Another order, or another count of what is there already.
    if (JSON.stringify(before) !== JSON.stringify(after)) add(at, before, after);
  } else if (gone.length === come.length) {
    for (const [nth, [index, item]] of come.entries()) {
      compare(gone[nth]![1], item, `${at}/${index}`, add);
    }
  } else {
    for (const [index, item] of gone) add(`${at}/${index}`, item, undefined);
    for (const [index, item] of come) add(`${at}/${index}`, undefined, item);
  }
}

type Named = { readonly [key: string]: Plain } & { readonly name: string };

function isMap(value: Plain | undefined): value is { readonly [key: string]: Plain } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNamed(list: readonly Plain[]): list is readonly Named[] {
  return list.length > 0 && list.every((one) => isMap(one) && typeof one["name"] === "string");
}

const MARKS = { added: "+", removed: "-", changed: "~" } as const;

export function objectsDiffText({ same, objects }: ObjectsDiff): string {
  if (same) return "no difference\n";
  return objects
    .map(({ kind, namespace, name, change, values, source }) => {
      const where = namespace === "" ? "" : ` in ${namespace}`;
      const why = source === null ? "" : `  ${source}`;
      const head = `${MARKS[change]} ${kind.toLowerCase()}/${name}${where} ${change}${why}\n`;
      return head + values.map((one) => `    ${valueText(one)}\n`).join("");
    })
    .join("");
}

function valueText({ pointer, before, after, source }: ValueDiff): string {
  const [was, is] = firstDifference(before, after);
  return `${pointer}: ${shown(was)} -> ${shown(is)}  ${source}`;
}

/** Of long texts the first line that differs. */
function firstDifference(before: Plain, after: Plain): readonly [Plain, Plain] {
  if (typeof before !== "string" || typeof after !== "string") return [before, after];
  const [was, is] = [before.split("\n"), after.split("\n")];
  const at = was.findIndex((line, index) => line !== is[index]);
  const index = at < 0 ? was.length : at;
  return was.length + is.length < 4 ? [before, after] : [was[index] ?? null, is[index] ?? null];
}

const MAX_SHOWN = 60;

function shown(value: Plain): string {
  if (value === null) return "nothing";
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}...` : text;
}
