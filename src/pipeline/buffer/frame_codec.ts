/**
 * One record of a segment file, little endian: the bytes "ORF1", the payload's length (u32), its
 * CRC-32 (u32), the payload. The payload is the head's length (u32), the head as JSON, then
 *
 * - lines: a table of u32 pairs (first byte and length of each event in what follows), the bytes;
 * - fields: each event as JSON on a line of its own.
 */
import { DerivedEvent } from "../../api/event.ts";
import type { Event, EventOrigin, Fields } from "../../api/event.ts";
import { crc32Of } from "../../base/hash.ts";
import type { OpenFile } from "../../base/world.ts";
import { eventJson } from "../event_json.ts";
import type { EventBatch } from "../event_batch.ts";
import { TextBuffer } from "../text_buffer.ts";
import { Frame, StoredEvent } from "./stored_event.ts";

const MAGIC = 0x3146524f;
const HEAD_BYTES = 12;
/** No payload is larger: a length above it is damage. */
const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;
/** Events of fields in one frame, and about as many bytes. */
const MAX_FIELD_EVENTS = 4096;
const MAX_FRAME_BYTES = 1024 * 1024;

interface Head {
  readonly kind: "lines" | "fields";
  readonly source: string;
  readonly stream: string;
  readonly path: string;
  readonly receivedMs: number;
  readonly count: number;
  /** Of the first byte; lines only. */
  readonly offset?: number;
  /** First and last byte in the stream, of each event in turn; fields only. */
  readonly places?: readonly number[];
  /** By index, where there is one. */
  readonly suffixes?: Readonly<Record<string, string>>;
  /** Of the process with this epoch. */
  readonly epoch?: string;
  readonly slots?: readonly number[];
}

/** A frame, and what to write for it. */
export interface Encoded {
  readonly frame: Frame;
  /** None once they are written. */
  parts: readonly Buffer[];
  readonly sizeBytes: number;
}

/** All events of a batch for which there are no objects; they have no books but these copies. */
export function encodeBatch(batch: EventBatch, epoch: string): Encoded {
  const { chunk, ranges, offset } = batch;
  const first = ranges[0]!;
  const last = ranges[ranges.length - 1]!;
  const frame = new Frame(batch, chunk, offset);
  frame.addRanges(batch);
  frame.left = batch.count;
  const table = Buffer.allocUnsafe(ranges.length * 4);
  const numbers = new Uint32Array(table.buffer, table.byteOffset, ranges.length);
  for (let i = 0; i < ranges.length; i += 2) {
    numbers[i] = ranges[i]! - first;
    numbers[i + 1] = ranges[i + 1]! - ranges[i]!;
  }
  const head = { ...headOf("lines", batch, batch.count), offset: offset + first };
  return encoded(frame, head, epoch, [table, chunk.subarray(first, last)]);
}

/** Events of any origin, in as few frames as their order allows. */
export function encodeEvents(events: readonly Event[], epoch: string): Encoded[] {
  const frames: Encoded[] = [];
  for (let from = 0; from < events.length; ) {
    const first = events[from]!;
    const isRaw = first.fields === null;
    let to = from + 1;
    let bytes = first.sizeBytes;
    while (to < events.length && bytes < MAX_FRAME_BYTES && belongs(first, events[to]!)) {
      if (!isRaw && to - from >= MAX_FIELD_EVENTS) break;
      bytes += events[to]!.sizeBytes;
      to += 1;
    }
    const run = from === 0 && to === events.length ? events : events.slice(from, to);
    frames.push(isRaw ? encodeLines(run, epoch) : encodeFields(run, epoch));
    from = to;
  }
  return frames;
}

function belongs(first: Event, next: Event): boolean {
  if (first.fields === null) return next.fields === null && next.origin === first.origin;
  if (next.fields === null) return false;
  const { origin } = next;
  if (origin === first.origin) return true;
  return origin.source === first.origin.source && origin.stream === first.origin.stream;
}

function encodeLines(events: readonly Event[], epoch: string): Encoded {
  const { origin } = events[0]!;
  const { chunk } = origin;
  const frame = new Frame(origin, chunk, origin.offset);
  const slots: number[] = [];
  const parts: Buffer[] = [];
  const table = Buffer.allocUnsafe(events.length * 8);
  const first = events[0]!.start;
  const span = events.at(-1)!.end - first;
  for (const [i, event] of events.entries()) {
    table.writeUInt32LE(event.start - first, i * 8);
    table.writeUInt32LE(event.end - event.start, i * 8 + 4);
    slots.push(event.slot);
    frame.add(event.start, event.end);
  }
  parts.push(table, chunk.subarray(first, first + span));
  frame.left = events.length;
  const head = { ...headOf("lines", origin, events.length), offset: origin.offset + first };
  if (slots.every((slot) => slot === -1)) return encoded(frame, head, epoch, parts);
  frame.slots = slots;
  return encoded(frame, { ...head, slots }, epoch, parts);
}

function encodeFields(events: readonly Event[], epoch: string): Encoded {
  const { origin } = events[0]!;
  const frame = new Frame(origin, Buffer.alloc(0), 0);
  const places: number[] = [];
  const slots: number[] = [];
  const suffixes: Record<string, string> = {};
  let bytes = 0;
  for (const { sizeBytes } of events) bytes += sizeBytes;
  // Most are about as long as they came.
  const body = new TextBuffer(bytes + (bytes >> 1));
  let shared = false;
  for (const [i, event] of events.entries()) {
    const json = eventJson(event);
    const start = event.origin.offset + event.start;
    const suffix = suffixOf(event);
    if (suffix !== "") suffixes[i] = suffix;
    if (event.slot !== -1) shared = true;
    body.addLine(json);
    places.push(start, start + event.sizeBytes);
    slots.push(event.slot);
    const copy = new StoredEvent(frame, start, start + event.sizeBytes, event.slot, suffix, json);
    copy.fields = event.fields;
    frame.addEvent(copy);
  }
  frame.left = events.length;
  const head: Head = {
    ...headOf("fields", origin, events.length),
    places,
    ...(Object.keys(suffixes).length === 0 ? {} : { suffixes }),
    ...(shared ? { slots } : {}),
  };
  // Without the newline behind the last one.
  return encoded(frame, head, epoch, [body.bytes.subarray(0, -1)]);
}

/** What stands behind the id of the event's place. */
function suffixOf(event: Event): string {
  if (!(event instanceof DerivedEvent) && !(event instanceof StoredEvent)) return "";
  const { id, origin, start } = event;
  const place = `${origin.stream}-${(origin.offset + start).toString(36)}`;
  return id.slice(place.length);
}

function headOf(kind: Head["kind"], origin: EventOrigin, count: number): Head {
  const { source, stream, path, receivedMs } = origin;
  return { kind, source, stream, path, receivedMs, count };
}

function encoded(frame: Frame, head: Head, epoch: string, body: readonly Buffer[]): Encoded {
  const whole = head.slots === undefined ? head : { ...head, epoch };
  const json = Buffer.from(JSON.stringify(whole));
  const front = Buffer.allocUnsafe(HEAD_BYTES + 4 + json.length);
  front.writeUInt32LE(json.length, HEAD_BYTES);
  json.copy(front, HEAD_BYTES + 4);
  let crc = crc32Of(front.subarray(HEAD_BYTES));
  let length = 4 + json.length;
  for (const part of body) {
    crc = crc32Of(part, crc);
    length += part.length;
  }
  front.writeUInt32LE(MAGIC, 0);
  front.writeUInt32LE(length, 4);
  front.writeUInt32LE(crc, 8);
  return { frame, parts: [front, ...body], sizeBytes: HEAD_BYTES + length };
}

// ---------------------------------------------------------------- reading

export type ReadFrame =
  | { readonly kind: "frame"; readonly payload: Buffer; readonly end: number }
  /** `next` is where a whole frame begins behind the damage, or null where none does. */
  | { readonly kind: "damaged"; readonly next: number | null };

/** The frame at `at`. @throws FileError */
export function readFrame(file: OpenFile, at: number, sizeBytes: number): ReadFrame {
  const found = wholeFrame(file, at, sizeBytes);
  if (found !== null) return found;
  return { kind: "damaged", next: nextFrame(file, at + 1, sizeBytes) };
}

function wholeFrame(file: OpenFile, at: number, sizeBytes: number): ReadFrame | null {
  const head = Buffer.alloc(HEAD_BYTES);
  if (file.readAt(head, 0, HEAD_BYTES, at) < HEAD_BYTES) return null;
  const length = head.readUInt32LE(4);
  const end = at + HEAD_BYTES + length;
  if (head.readUInt32LE(0) !== MAGIC || length > MAX_PAYLOAD_BYTES || end > sizeBytes) return null;
  const payload = Buffer.allocUnsafeSlow(length);
  for (let got = 0; got < length; ) {
    const read = file.readAt(payload, got, length - got, at + HEAD_BYTES + got);
    if (read === 0) return null;
    got += read;
  }
  if (crc32Of(payload) !== head.readUInt32LE(8)) return null;
  return { kind: "frame", payload, end };
}

/** Looks for the next frame that is whole: one that was damaged does not hide those behind it. */
function nextFrame(file: OpenFile, from: number, sizeBytes: number): number | null {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(MAGIC, 0);
  const piece = Buffer.alloc(64 * 1024);
  for (let at = from; at < sizeBytes; ) {
    const read = file.readAt(piece, 0, piece.length, at);
    if (read < 4) return null;
    const found = piece.subarray(0, read).indexOf(magic);
    if (found < 0) {
      at += read - 3;
      continue;
    }
    if (wholeFrame(file, at + found, sizeBytes) !== null) return at + found;
    at += found + 1;
  }
  return null;
}

export interface FrameSummary {
  readonly source: string;
  readonly count: number;
}

/** Null where the head is not one of ours. */
export function summaryOf(payload: Buffer): FrameSummary | null {
  const head = headAt(payload);
  return head === null ? null : { source: head.source, count: head.count };
}

/** The events again, as they were. Null where it is not a frame of ours. */
export function decodeFrame(payload: Buffer, epoch: string): Frame | null {
  const head = headAt(payload);
  if (head === null) return null;
  const slots = head.epoch === epoch ? (head.slots ?? null) : null;
  const body = 4 + payload.readUInt32LE(0);
  return head.kind === "lines"
    ? decodeLines(payload, body, head, slots)
    : decodeFields(payload, body, head, slots);
}

function decodeLines(
  payload: Buffer,
  table: number,
  head: Head,
  slots: readonly number[] | null,
): Frame {
  const bytes = table + head.count * 8;
  // Ids are made of places in the stream: the chunk's first byte has one too.
  const frame = new Frame(originOf(head), payload, (head.offset ?? 0) - bytes);
  frame.slots = slots;
  for (let i = 0; i < head.count; i += 1) {
    const start = bytes + payload.readUInt32LE(table + i * 8);
    frame.add(start, start + payload.readUInt32LE(table + i * 8 + 4));
  }
  frame.left = head.count;
  return frame;
}

function decodeFields(
  payload: Buffer,
  body: number,
  head: Head,
  slots: readonly number[] | null,
): Frame {
  const frame = new Frame(originOf(head), Buffer.alloc(0), 0);
  const places = head.places ?? [];
  const lines = payload.toString("utf8", body).split("\n");
  for (let i = 0; i < head.count; i += 1) {
    const json = lines[i]!;
    const [start, end] = [places[2 * i]!, places[2 * i + 1]!];
    const suffix = head.suffixes?.[i] ?? "";
    const event = new StoredEvent(frame, start, end, slots?.[i] ?? -1, suffix, json);
    event.fields = JSON.parse(json) as Fields;
    frame.addEvent(event);
  }
  frame.left = head.count;
  return frame;
}

function originOf(head: Head): EventOrigin {
  const { source, stream, path, receivedMs } = head;
  return { source, stream, path, receivedMs, chunk: Buffer.alloc(0), offset: 0 };
}

function headAt(payload: Buffer): Head | null {
  const length = payload.length < 4 ? 0 : payload.readUInt32LE(0);
  if (length === 0 || 4 + length > payload.length) return null;
  try {
    return JSON.parse(payload.toString("utf8", 4, 4 + length)) as Head;
  } catch {
    return null;
  }
}
