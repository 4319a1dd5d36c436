import { Event } from "../api/event.ts";
import type { EventOrigin } from "../api/event.ts";

/** Events that were read at once, and how many of them have not found their end. */
export class EventBatch implements EventOrigin {
  readonly events: Event[] = [];
  /** Events that are neither delivered, dropped nor dead-lettered. Owned by the runner. */
  open = 0;

  constructor(
    readonly source: string,
    readonly stream: string,
    readonly path: string,
    readonly chunk: Buffer,
    readonly offset: number,
    readonly receivedMs: number,
    /** All events have found their end. Called once. */
    readonly done: () => void,
  ) {}

  /** Adds the bytes from `start` to `end` of the chunk. */
  add(start: number, end: number): void {
    this.events.push(new Event(this, start, end));
  }
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** What `addLines` met. */
export interface LineCounts {
  /** Lines without a byte; they are no events. */
  empty: number;
  /** Lines above the bound. */
  long: number;
}

/**
 * Adds the lines of `chunk[from, to)`, which ends behind a newline. A line above `maxLineBytes` is
 * split into pieces, or cut after the first of them.
 */
export function addLines(
  batch: EventBatch,
  from: number,
  to: number,
  bounds: LineBounds,
  counts: LineCounts,
): void {
  const { chunk } = batch;
  for (let start = from; start < to; ) {
    const newline = chunk.indexOf(NEWLINE, start);
    const next = newline + 1;
    let end = newline;
    if (end > start && chunk[end - 1] === CARRIAGE_RETURN) end -= 1;
    if (end === start) counts.empty += 1;
    else if (end - start <= bounds.maxLineBytes) batch.add(start, end);
    else {
      counts.long += 1;
      addPieces(batch, start, end, bounds);
    }
    start = next;
  }
}

export interface LineBounds {
  readonly maxLineBytes: number;
  readonly longLines: "split" | "cut";
}

function addPieces(batch: EventBatch, from: number, to: number, bounds: LineBounds): void {
  let start = from;
  while (start < to) {
    const end = pieceEnd(batch.chunk, start, to, bounds.maxLineBytes);
    batch.add(start, end);
    if (bounds.longLines === "cut") return;
    start = end;
  }
}

/** Where a piece of at most `maxBytes` ends: not within a character of UTF-8 (RFC 3629). */
export function pieceEnd(chunk: Buffer, start: number, to: number, maxBytes: number): number {
  if (to - start <= maxBytes) return to;
  const limit = start + maxBytes;
  let end = limit;
  while (end > limit - 4 && (chunk[end]! & 0xc0) === 0x80) end -= 1;
  return (chunk[end]! & 0xc0) === 0x80 || end <= start ? limit : end;
}
