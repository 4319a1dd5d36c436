import type { Event, Fields } from "../../api/event.ts";

/** A place in an event: `["http", "status"]`, `["items", 0]`. */
export type FieldPath = readonly (string | number)[];

/** Names that every object has: for these only an event's own ones count. */
const INHERITED = new Set(Object.getOwnPropertyNames(Object.prototype));

/** Reads the place; null where nothing is. Never decodes an event for its message. */
export function readerOf(path: FieldPath): (event: Event) => unknown {
  const [first, ...rest] = path;
  if (typeof first !== "string") throw new Error("bug: a path starts with a field's name");
  const isMessage = first === "message";
  if (rest.length === 0 && !INHERITED.has(first)) {
    return (event) => {
      const { fields } = event;
      if (fields === null) return isMessage ? event.text() : null;
      return fields[first] ?? null;
    };
  }
  return (event) => {
    const { fields } = event;
    if (fields === null) return isMessage && rest.length === 0 ? event.text() : null;
    let value: unknown = member(fields, first);
    for (let i = 0; i < rest.length; i++) value = member(value, rest[i]!);
    return value;
  };
}

function member(value: unknown, step: string | number): unknown {
  if (typeof value !== "object" || value === null) return null;
  if (Array.isArray(value)) return typeof step === "number" ? (value[step] ?? null) : null;
  if (!Object.hasOwn(value, step)) return null;
  return (value as Fields)[step] ?? null;
}

const PATH_STEP = /^(?:([A-Za-z_@][A-Za-z0-9_@-]*)|\["((?:[^"\\]|\\.)*)"\]|\[(\d{1,6})\])/;

/**
 * Reads `http.status`, `items[0]`, `["odd name"].x`, with or without `event.` before it. Null where
 * it is none.
 */
export function parseFieldPath(written: string): FieldPath | null {
  const path: (string | number)[] = [];
  let rest = /^event[.[]/.test(written) ? written.replace(/^event\.?/, "") : written;
  if (rest.length > 512) return null;
  while (rest !== "") {
    const match = PATH_STEP.exec(rest);
    if (match === null || path.length === MAX_PATH_STEPS) return null;
    const [whole, name, quoted, index] = match;
    if (index !== undefined) path.push(Number(index));
    else path.push(name ?? quoted!.replace(/\\(.)/g, "$1"));
    rest = rest.slice(whole.length);
    if (rest.startsWith(".") && rest.length > 1) rest = rest.slice(1);
    else if (rest !== "" && !rest.startsWith("[")) return null;
  }
  return path.length > 0 && typeof path[0] === "string" ? path : null;
}

/** Deeper data is not addressed; also the bound of what `setAt` makes. */
export const MAX_PATH_STEPS = 16;

/** The value at the place, or undefined. */
export function valueAt(fields: Fields, path: FieldPath): unknown {
  let value: unknown = fields;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    if (!Object.hasOwn(value, step)) return undefined;
    value = (value as Fields)[step];
  }
  return value;
}

/** False where the way there leads through something that holds no fields. */
export function setAt(fields: Fields, path: FieldPath, value: unknown): boolean {
  let holder: unknown = fields;
  for (let i = 0; i < path.length - 1; i++) {
    const next = own(holder as Fields, path[i]!);
    if (next === undefined || next === null) {
      if (typeof path[i + 1] === "number") return false;
      define(holder as Fields, path[i]!, (holder = {}));
    } else if (typeof next === "object") holder = next;
    else return false;
  }
  const last = path.at(-1)!;
  if (Array.isArray(holder)) {
    // A list keeps its length: no event makes it sparse or long.
    if (typeof last !== "number" || last >= holder.length) return false;
    holder[last] = value;
  } else define(holder as Fields, last, value);
  return true;
}

/** False where nothing was there. */
export function removeAt(fields: Fields, path: FieldPath): boolean {
  const holder = path.length === 1 ? fields : valueAt(fields, path.slice(0, -1));
  const last = path.at(-1)!;
  if (typeof holder !== "object" || holder === null || !Object.hasOwn(holder, last)) return false;
  if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else delete (holder as Fields)[last];
  return true;
}

function own(holder: Fields, name: string | number): unknown {
  return Object.hasOwn(holder, name) ? holder[name] : undefined;
}

/** A field called `__proto__` is a field like others. */
function define(holder: Fields, name: string | number, value: unknown): void {
  if (name !== "__proto__") holder[name] = value;
  else {
    Object.defineProperty(holder, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}
