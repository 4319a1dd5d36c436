import type { Origin, Snapshot } from "../api/snapshot.ts";
import { parentPointer, type Segment, toPointer } from "./pointer.ts";

/** Collects which line asked for each part while a Snapshot is put together. */
export class Origins {
  #byPointer = new Map<string, Origin>();

  /** A null origin is a part that nobody wrote: it keeps its parent's. */
  set(segments: readonly Segment[], origin: Origin | null): void {
    if (origin !== null) this.#byPointer.set(toPointer(segments), origin);
  }

  /** Sorted by pointer, so that the same files give the same bytes. */
  toRecord(): Record<string, Origin> {
    return Object.fromEntries(
      [...this.#byPointer].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
    );
  }
}

export interface FoundOrigin {
  readonly origin: Origin;
  /** The part that has the origin: the one asked for, or the nearest that holds it. */
  readonly pointer: string;
}

/** The origin of a part, or of the nearest part that holds it; null where no line asked for it. */
export function findOrigin(snapshot: Snapshot, pointer: string): FoundOrigin | null {
  for (let at: string | null = pointer; at !== null; at = parentPointer(at)) {
    if (Object.hasOwn(snapshot.origins, at)) {
      return { origin: snapshot.origins[at] as Origin, pointer: at };
    }
  }
  return null;
}

/** `shop.yaml:14:7 spec.calls.api.timeout` */
export function originText(origin: Origin): string {
  return `${origin.file}:${origin.line}:${origin.column} ${origin.field}`;
}
