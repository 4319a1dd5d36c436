/** Objects whose values know who asked for them: what `explain` shows of each generated line. */
import type { AnyDocument } from "../../api/document.ts";
import type { Origin } from "../../api/snapshot.ts";
import { toPointer } from "../../compile/pointer.ts";
import type { Path } from "../../schema/node.ts";

/** Why a value is what it is. */
export type Source =
  | { readonly kind: "file"; readonly origin: Origin }
  /** Nobody wrote it, or it follows from something else: in words. */
  | { readonly kind: "reason"; readonly text: string };

/** A value with its source. It stands for the value in a `Tree`. */
export class Sourced {
  constructor(
    readonly value: Tree,
    readonly source: Source,
  ) {}
}

/** What a generator writes: JSON, with sources wherever it has something to say. */
export type Tree =
  | string
  | number
  | boolean
  | null
  | undefined
  | Sourced
  | readonly Tree[]
  | { readonly [key: string]: Tree };

/** As it goes to Kubernetes. */
export type Plain =
  string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/**
 * A value that a field asks for, or its default where nobody wrote the field; then `why` says what
 * the default is for.
 */
export function from(document: AnyDocument, path: Path, value: Tree, why?: string): Sourced {
  const origin = document.origin(path);
  if (document.wrote(path) || why === undefined) return new Sourced(value, { kind: "file", origin });
  return because(why, value);
}

/** A value that nobody asked for, with the reason why it is there. */
export function because(text: string, value: Tree): Sourced {
  return new Sourced(value, { kind: "reason", text });
}

/** By JSON pointer (RFC 6901). A part without a source has its nearest parent's. */
export type Sources = ReadonlyMap<string, Source>;

/** Takes the sources out. Members and items that are undefined are left out. */
export function separate(tree: Tree): { readonly plain: Plain; readonly sources: Sources } {
  const sources = new Map<string, Source>();
  return { plain: separateAt(tree, [], sources) ?? null, sources };
}

/** @param path the steps to it; a pointer is made of them only where there is a source */
function separateAt(
  tree: Tree,
  path: (string | number)[],
  sources: Map<string, Source>,
): Plain | undefined {
  if (tree === undefined) return undefined;
  if (tree instanceof Sourced) {
    let inner: Sourced = tree;
    // The innermost word counts: it knows more.
    while (inner.value instanceof Sourced) inner = inner.value;
    sources.set(toPointer(path), inner.source);
    return separateAt(inner.value, path, sources);
  }
  if (typeof tree !== "object" || tree === null) return tree;
  if (Array.isArray(tree)) {
    const items: Plain[] = [];
    for (const item of tree as readonly Tree[]) {
      if (item === undefined) continue;
      path.push(items.length);
      items.push(separateAt(item, path, sources) ?? null);
      path.pop();
    }
    return items;
  }
  const members: Record<string, Plain> = {};
  for (const [key, value] of Object.entries(tree)) {
    path.push(key);
    const plain = separateAt(value, path, sources);
    if (plain !== undefined) members[key] = plain;
    path.pop();
  }
  return members;
}
