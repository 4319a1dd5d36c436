/** JSON pointers (RFC 6901). */

export type Segment = string | number;

export function toPointer(segments: readonly Segment[]): string {
  return segments.map((segment) => `/${pointerStep(segment)}`).join("");
}

/** One segment, as it stands in a pointer. */
export function pointerStep(segment: Segment): string {
  return String(segment).replaceAll("~", "~0").replaceAll("/", "~1");
}

export function fromPointer(pointer: string): string[] {
  if (pointer === "") return [];
  return pointer
    .slice(1)
    .split("/")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The pointer of the part that holds this one; null for the whole. */
export function parentPointer(pointer: string): string | null {
  return pointer === "" ? null : pointer.slice(0, pointer.lastIndexOf("/"));
}
