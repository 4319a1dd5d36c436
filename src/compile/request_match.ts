/** What a route asks of a request besides host and path, as a Snapshot holds it. */
import type { AnyDocument } from "../api/document.ts";
import type { RequestMatchSpec, ValueMatch } from "../api/request_match.ts";
import type { FieldMatch, RequestMatch } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";

/** Undefined where any request will do. Sorted, so that the same match has the same name. */
export function requestMatch(spec: RequestMatchSpec | undefined): RequestMatch | undefined {
  if (spec === undefined) return undefined;
  const match: RequestMatch = {
    methods: [...spec.methods].sort(),
    headers: fields(spec.headers, (name) => name.toLowerCase()),
    cookies: fields(spec.cookies, (name) => name),
    query: fields(spec.query, (name) => name),
  };
  return Object.values(match).every((part) => part.length === 0) ? undefined : match;
}

function fields(
  written: Readonly<Record<string, ValueMatch>>,
  nameOf: (name: string) => string,
): FieldMatch[] {
  return sortedNames(written).map((name) => {
    const { kind, value } = written[name] as ValueMatch;
    return { name: nameOf(name), kind, value };
  });
}

function sortedNames(written: Readonly<Record<string, ValueMatch>>): string[] {
  const order = (name: string) => name.toLowerCase();
  return Object.keys(written).sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** An object without the members that are undefined: a Snapshot is JSON. */
export function whole<T extends object>(parts: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(parts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** Notes where each part of a match came from. `path` is the match's own. */
export function noteMatch(
  draft: Draft,
  at: readonly Segment[],
  document: AnyDocument,
  path: Path,
  spec: RequestMatchSpec,
): void {
  if (requestMatch(spec) === undefined) return;
  draft.note([...at, "match"], document, path);
  draft.note([...at, "match", "methods"], document, [...path, "methods"]);
  for (const part of ["headers", "cookies", "query"] as const) {
    draft.note([...at, "match", part], document, [...path, part]);
    for (const [index, name] of sortedNames(spec[part]).entries()) {
      for (const member of ["name", "kind", "value"]) {
        draft.note([...at, "match", part, index, member], document, [...path, part, name]);
      }
    }
  }
}
