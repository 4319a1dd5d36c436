import type { Origin, Snapshot } from "../api/snapshot.ts";
import { defaultReason } from "./defaults.ts";
import { findOrigin, originText } from "./origins.ts";
import { type Segment, toPointer } from "./pointer.ts";

export interface ExplainedPart {
  /** JSON pointer into the Snapshot. */
  readonly pointer: string;
  readonly value: unknown;
  /**
   * `file`: a line says so. `default`: nobody wrote it. `derived`: it follows from a line that says
   * something larger. `site`: from where the workload runs.
   */
  readonly source: "file" | "default" | "derived" | "site";
  /** The line, or for the other sources the nearest line that led to it; null where none did. */
  readonly origin: Origin | null;
  /** Null for `file`. */
  readonly reason: string | null;
}

/** Every value of a Snapshot with the line that asked for it, in the Snapshot's order. */
export function explain(snapshot: Snapshot): ExplainedPart[] {
  const parts: ExplainedPart[] = [];
  for (const top of ["policy", "bindings"] as const) {
    for (const leaf of leaves(snapshot[top], [top])) parts.push(explainLeaf(snapshot, leaf));
  }
  return parts;
}

interface Leaf {
  readonly pointer: string;
  readonly value: unknown;
}

/** Every value with its place. Lists of plain values and empty containers count as one value. */
export function* leaves(value: unknown, at: readonly Segment[] = []): Generator<Leaf> {
  if (typeof value !== "object" || value === null) {
    yield { pointer: toPointer(at), value };
    return;
  }
  const members = Object.entries(value);
  const plain = (item: unknown) => typeof item !== "object" || item === null;
  if (members.length === 0 || (Array.isArray(value) && value.every(plain))) {
    yield { pointer: toPointer(at), value };
    return;
  }
  for (const [key, member] of members) yield* leaves(member, [...at, key]);
}

function explainLeaf(snapshot: Snapshot, { pointer, value }: Leaf): ExplainedPart {
  const found = findOrigin(snapshot, pointer);
  const origin = found?.origin ?? null;
  if (found !== null && found.pointer === pointer) {
    return { pointer, value, source: "file", origin, reason: null };
  }
  if (pointer.startsWith("/bindings/")) {
    return { pointer, value, source: "site", origin, reason: "where it runs" };
  }
  const reason = defaultReason(pointer);
  if (reason !== null) return { pointer, value, source: "default", origin, reason };
  return { pointer, value, source: "derived", origin, reason: "follows from the part around it" };
}

/** One line a value: pointer, value, and where it comes from, in columns. */
export function partsText(parts: readonly ExplainedPart[]): string[] {
  const rows = parts.map((part) => ({
    left: `${part.pointer} = ${JSON.stringify(part.value)}`,
    right: sourceText(part),
  }));
  const width = Math.min(72, Math.max(0, ...rows.map((row) => row.left.length)));
  return rows.map((row) => `${row.left.padEnd(width)}  ${row.right}`);
}

/** All of it, with a line that says whose it is. */
export function explainText(snapshot: Snapshot): string {
  const { namespace, name } = snapshot.workload;
  const head = `${namespace}/${name} version ${snapshot.version} policy ${snapshot.policyHash}`;
  return [head, ...partsText(explain(snapshot)), ""].join("\n");
}

function sourceText(part: ExplainedPart): string {
  const line = part.origin === null ? null : originText(part.origin);
  switch (part.source) {
    case "file":
      return line ?? "";
    case "default":
      return `default: ${part.reason}`;
    case "site":
      return `site: ${part.reason}${line === null ? "" : `, for ${line}`}`;
    case "derived":
      return line === null ? `${part.reason}` : `from ${line}`;
  }
}
