import { Event } from "../api/event.ts";
import type { EventOrigin, Fields } from "../api/event.ts";

/**
 * Events that were read at once, and how many of them have not found their end. As long as nobody
 * asks for the events they are two numbers each: a batch that no step reads makes no objects
 * (512-byte lines to discard: about 3 times as many bytes per CPU second).
 */
export class EventBatch implements EventOrigin {
  /** Events that are neither delivered, dropped nor dead-lettered. Owned by the runner. */
  open = 0;
  /** Who emitted it. Owned by the runner. */
  owner: object | null = null;
  /** `pending` of events that have no object yet. Owned by the runner. */
  pendingEach = 0;
  /** First and last byte of each event, in turn. */
  #ranges: number[] = [];
  #events: Event[] | null = null;
  #eventBytes = 0;
  #fieldBytes = 0;

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
    this.#eventBytes += end - start;
    if (this.#events === null) this.#ranges.push(start, end);
    else this.#events.push(this.newEvent(start, end));
  }

  /** Adds the same ranges as another batch of the same chunk, for which there are no objects. */
  addRanges(batch: EventBatch): void {
    this.#ranges = batch.#ranges;
    this.#eventBytes = batch.#eventBytes;
  }

  /** Adds an event that is there already. */
  addEvent(event: Event): void {
    this.#eventBytes += event.sizeBytes;
    this.events.push(event);
  }

  /**
   * Adds an event that is made of fields alone: the chunk stays empty. Its place in the stream is
   * `offset` and the sizes of those before it, so a source moves `offset` on by `fieldBytes`.
   */
  addFields(fields: Fields, sizeBytes: number): void {
    const start = this.#fieldBytes;
    this.#fieldBytes += Math.max(1, sizeBytes);
    this.#eventBytes += this.#fieldBytes - start;
    const event = new Event(this, start, this.#fieldBytes);
    event.fields = fields;
    this.events.push(event);
  }

  get count(): number {
    return this.#events === null ? this.#ranges.length / 2 : this.#events.length;
  }

  /** The sizes of all events. */
  get eventBytes(): number {
    return this.#eventBytes;
  }

  /** What `addFields` has added, in bytes. */
  get fieldBytes(): number {
    return this.#fieldBytes;
  }

  /** What it holds in memory, in bytes. */
  get sizeBytes(): number {
    return this.chunk.length + this.#fieldBytes;
  }

  /** Whether the events are objects by now. */
  get hasEvents(): boolean {
    return this.#events !== null;
  }

  /** From the first call on, one object each. */
  get events(): Event[] {
    return (this.#events ??= this.#makeEvents());
  }

  /** First and last byte of each event, in turn; empty once `events` was asked for. */
  get ranges(): readonly number[] {
    return this.#ranges;
  }

  /** All is over, and nobody will ask again: whoever still holds the batch keeps no events by it. */
  release(): void {
    this.#events = [];
    this.#ranges = [];
  }

  #makeEvents(): Event[] {
    const ranges = this.#ranges;
    const events: Event[] = [];
    for (let i = 0; i < ranges.length; i += 2) {
      const event = this.newEvent(ranges[i]!, ranges[i + 1]!);
      event.pending = this.pendingEach;
      events.push(event);
    }
    this.#ranges = [];
    return events;
  }

  protected newEvent(start: number, end: number): Event {
    return new Event(this, start, end);
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
