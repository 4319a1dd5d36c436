/**
 * A file's content as plain values that know where they stand. YAML and JSON are read into it
 * (`read_yaml.ts`), values of a program are wrapped by `nodeOf`.
 */
export type Node = ScalarNode | ListNode | MapNode;

export type NodeKind = Node["kind"];

/** Both from 1; the column counts UTF-16 units, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type ScalarNode = TextNode | NumberNode | BooleanNode | NullNode;

export interface TextNode extends Place {
  readonly kind: "text";
  readonly value: string;
}

export interface NumberNode extends Place {
  readonly kind: "number";
  readonly value: number;
  /** As it was written: 1.10 stays "1.10". */
  readonly source: string;
}

export interface BooleanNode extends Place {
  readonly kind: "boolean";
  readonly value: boolean;
  readonly source: string;
}

export interface NullNode extends Place {
  readonly kind: "null";
}

export interface ListNode extends Place {
  readonly kind: "list";
  readonly items: readonly Node[];
}

export interface MapNode extends Place {
  readonly kind: "map";
  readonly entries: readonly MapEntry[];
}

export interface MapEntry {
  readonly key: string;
  readonly keyPlace: Place;
  readonly value: Node;
}

export type Path = readonly (string | number)[];

const NOWHERE: Place = { line: 1, column: 1 };

/** Wraps a program's value. What JSON cannot hold becomes its text. */
export function nodeOf(value: unknown, place: Place = NOWHERE): Node {
  const { line, column } = place;
  if (value === null || value === undefined) return { kind: "null", line, column };
  if (typeof value === "string") return { kind: "text", value, line, column };
  if (typeof value === "number") {
    return { kind: "number", value, source: String(value), line, column };
  }
  if (typeof value === "boolean") {
    return { kind: "boolean", value, source: String(value), line, column };
  }
  if (Array.isArray(value)) {
    return { kind: "list", items: value.map((item) => nodeOf(item, place)), line, column };
  }
  if (typeof value === "object") {
    const entries: MapEntry[] = [];
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      entries.push({ key, keyPlace: place, value: nodeOf(item, place) });
    }
    return { kind: "map", entries, line, column };
  }
  return { kind: "text", value: String(value), line, column };
}

/** The plain value, as JSON.parse would give it. */
export function valueOf(node: Node): unknown {
  switch (node.kind) {
    case "null":
      return null;
    case "list":
      return node.items.map(valueOf);
    case "map":
      return Object.fromEntries(node.entries.map((entry) => [entry.key, valueOf(entry.value)]));
    default:
      return node.value;
  }
}

export function entryOf(node: Node | undefined, key: string): MapEntry | undefined {
  if (node === undefined || node.kind !== "map") return undefined;
  return node.entries.find((entry) => entry.key === key);
}

/** The node at a path, or undefined. */
export function nodeAt(root: Node, path: Path): Node | undefined {
  let node: Node | undefined = root;
  for (const step of path) {
    if (node === undefined) return undefined;
    if (node.kind === "list" && typeof step === "number") node = node.items[step];
    else node = entryOf(node, String(step))?.value;
  }
  return node;
}

/**
 * Where a path stands: its key, its list item, or its nearest parent that was written. `depth` says
 * how many steps of the path were found.
 */
export function placeOf(root: Node, path: Path): { readonly place: Place; readonly depth: number } {
  let node: Node = root;
  let place: Place = root;
  let depth = 0;
  for (const step of path) {
    if (node.kind === "list" && typeof step === "number") {
      const item: Node | undefined = node.items[step];
      if (item === undefined) break;
      node = item;
      place = item;
    } else {
      const entry = entryOf(node, String(step));
      if (entry === undefined) break;
      node = entry.value;
      place = entry.keyPlace;
    }
    depth++;
  }
  return { place: { line: place.line, column: place.column }, depth };
}

/** `spec.calls.api.retry.on[0]`; a key that is not a plain word stands in brackets and quotes. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\w*-]+$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Reads what `pathText` wrote; `spec.env.A` and `ingress[0].host`. */
export function parsePath(text: string): Path {
  const steps: (string | number)[] = [];
  for (const match of text.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)) {
    if (match[1] !== undefined) steps.push(Number(match[1]));
    else if (match[2] !== undefined) steps.push(JSON.parse(`"${match[2]}"`) as string);
    else steps.push(match[3]!);
  }
  return steps;
}
