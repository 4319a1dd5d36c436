import type { OpenFile } from "../../base/world.ts";
import type { SourceOutput } from "../component.ts";
import type { LineBounds, LineCounts } from "../event_batch.ts";
import { EventBatch, addLines, pieceEnd } from "../event_batch.ts";
import type { Entry } from "./checkpoint.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { MAX_HEAD_BYTES, MAX_TAIL_BYTES, NO_BYTES } from "./fingerprint.ts";
import { fingerprint, fingerprintAt, holds } from "./fingerprint.ts";

/** What a file asks of its source. */
export interface TailHost {
  readonly source: string;
  /** Of this state folder alone: two machines' files never share an event's id. */
  readonly instance: string;
  readonly output: SourceOutput;
  readonly bounds: LineBounds;
  readonly counts: TailCounts;
  now(): number;
  wallMs(): number;
}

export interface TailCounts extends LineCounts {
  /** Times that a file began anew under its inode. */
  truncated: number;
  /** Times that the disk refused a read, an opening or a look. */
  readFailures: number;
}

/** A piece that was read, until everything in it is acknowledged. */
interface Range {
  readonly end: number;
  readonly tail: Fingerprint;
  done: boolean;
}

/** A place that was read, for telling a copy that is shorter than what was read since. */
interface Mark {
  readonly offset: number;
  readonly tail: Fingerprint;
}

/** Marks reach back for about three seconds: longer than a copy takes until the truncation. */
const MAX_MARKS = 128;
const MARK_MS = 100;
/** Of one batch: where the loop was held up, a whole file may be one. */
const MARKS_A_BATCH = 4;
/** Of a copy that may be one: below a tenth of a second. */
const MAX_COMPARED_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** Pieces behind one that is not acknowledged; then reading waits. */
const MAX_RANGES = 1024;
/** A stream's name holds a hash of the first line, of at most as many bytes. */
const MAX_NAME_BYTES = 256;
const NEWLINE = 10;

export function keyOf(stat: { readonly device: number; readonly inode: number }): string {
  return `${stat.device}:${stat.inode}`;
}

/** One open file: what was read, what is acknowledged, and whether it is still the same file. */
export class TailedFile {
  #host: TailHost;
  #handle: OpenFile;
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  readonly generation: number;
  #stream: string;
  #head: Fingerprint;
  /** Behind the last byte that became an event; what follows is an unfinished line. */
  #offset: number;
  /** What stands before `#offset`. */
  #readTail: Fingerprint;
  /** The unfinished line, at most `maxLineBytes`: a truncation must not take it with it. */
  #partial: Buffer | null = null;
  /** In the rest of a line that was cut. */
  #skipping = false;
  #acked: number;
  #ackedTail: Fingerprint;
  #ranges: Range[] = [];
  #marks: Mark[] = [];
  #markedAtMs = -Infinity;
  #seenSize = -1;
  #seenModifiedMs: number;
  /** Since when the path names another file, or none. */
  leftAtMs: number | null = null;
  #grownAtMs: number;
  /** The last read came to the end. */
  atEnd = false;

  constructor(host: TailHost, handle: OpenFile, entry: Entry) {
    this.#host = host;
    this.#handle = handle;
    this.path = entry.path;
    this.device = entry.device;
    this.inode = entry.inode;
    this.generation = entry.generation;
    this.#stream = entry.stream;
    this.#head = entry.head;
    this.#offset = entry.offset;
    this.#acked = entry.offset;
    this.#readTail = entry.tail;
    this.#ackedTail = entry.tail;
    this.#seenModifiedMs = entry.modifiedMs;
    this.#grownAtMs = host.now();
    if (host.bounds.longLines === "cut" && entry.offset > 0) this.#skipping = this.#isWithinLine();
  }

  get key(): string {
    return keyOf(this);
  }

  /** When it was last changed, as far as we looked. */
  get modifiedMs(): number {
    return this.#seenModifiedMs;
  }

  /** Nothing of its content is known. */
  get isBlank(): boolean {
    return this.#head.length === 0;
  }

  /** Everything that was read is acknowledged. */
  get isSettled(): boolean {
    return this.#ranges.length === 0;
  }

  /** How far it has been acknowledged. */
  entry(): Entry {
    const { path, device, inode, generation } = this;
    const content = { stream: this.#stream, head: this.#head, modifiedMs: this.#seenModifiedMs };
    const acked = { offset: this.#acked, tail: this.#ackedTail };
    return { path, device, inode, generation, ...content, ...acked };
  }

  /** Like `entry`, as far as it has been read: what a copy of it must hold. */
  readEntry(): Entry {
    return { ...this.entry(), offset: this.#offset, tail: this.#readTail };
  }

  /** Bytes that are there and were not read, as far as we looked. */
  get lagBytes(): number {
    return Math.max(0, this.#seenSize - this.#offset);
  }

  /**
   * Whether another file is a copy of the beginning of this one, all of which was read: a rotation
   * that copied and then truncated, while we read on in between.
   */
  holdsAllOf(copy: OpenFile): boolean {
    const { sizeBytes } = copy.stat();
    if (sizeBytes === 0 || sizeBytes > this.#offset) return false;
    const mark = this.#marks.findLast(({ offset }) => offset <= sizeBytes);
    // Where nothing proves it: rather twice than not at all.
    if (mark === undefined) return false;
    if (this.#head.length <= sizeBytes && !holds(copy, 0, this.#head)) return false;
    return holds(copy, mark.offset - mark.tail.length, mark.tail);
  }

  /** The same while this one still has its content: byte by byte, of the last of a large one. */
  isCopiedBy(copy: OpenFile): boolean {
    const { sizeBytes } = copy.stat();
    if (sizeBytes > this.#offset) return false;
    const [ours, theirs] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
    const last = Math.max(0, sizeBytes - MAX_COMPARED_BYTES);
    for (let at = last; at < sizeBytes; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, sizeBytes - at);
      const read = this.#handle.readAt(ours, 0, length, at);
      if (read !== length || copy.readAt(theirs, 0, length, at) !== length) return false;
      if (ours.compare(theirs, 0, length, 0, length) !== 0) return false;
    }
    return true;
  }

  /** Whether another file could be a copy of this one that is being made: it begins like it. */
  beginsLike(copy: OpenFile): boolean {
    const { sizeBytes } = copy.stat();
    const length = Math.min(sizeBytes, MAX_HEAD_BYTES);
    if (length === 0) return true;
    const ours = fingerprintAt(this.#handle, 0, length);
    return ours.length === length && holds(copy, 0, ours);
  }

  /** False where the file began anew: truncated, or written over, under the same inode. */
  isSame(): boolean {
    const { sizeBytes, modifiedMs } = this.#handle.stat();
    if (sizeBytes === this.#seenSize && modifiedMs === this.#seenModifiedMs) return true;
    if (sizeBytes < this.#offset + (this.#partial?.length ?? 0)) return false;
    if (!holds(this.#handle, 0, this.#head)) return false;
    if (!holds(this.#handle, this.#offset - this.#readTail.length, this.#readTail)) return false;
    if (this.#head.length < MAX_HEAD_BYTES && sizeBytes > this.#head.length) {
      this.#head = fingerprintAt(this.#handle, 0, MAX_HEAD_BYTES);
    }
    if (sizeBytes !== this.#seenSize) this.#grownAtMs = this.#host.now();
    this.#seenSize = sizeBytes;
    this.#seenModifiedMs = modifiedMs;
    return true;
  }

  /** Nothing was written for so long. */
  quietForMs(): number {
    return this.#host.now() - this.#grownAtMs;
  }

  /** Reads about `limitBytes`. True where there may be more to read at once. */
  read(limitBytes: number): boolean {
    const { output, bounds } = this.#host;
    const chunkBytes = Math.max(CHUNK_BYTES, 2 * bounds.maxLineBytes);
    for (let left = limitBytes; left > 0; ) {
      const known = this.#offset + (this.#partial?.length ?? 0);
      if (this.#seenSize <= known) {
        this.atEnd = true;
        return false;
      }
      if (!output.ready || this.#ranges.length >= MAX_RANGES) {
        this.atEnd = false;
        return false;
      }
      // No larger than what is there: an event keeps its whole chunk in memory.
      const length = Math.min(this.#seenSize - this.#offset, chunkBytes);
      const chunk = Buffer.allocUnsafeSlow(length);
      const read = this.#handle.readAt(chunk, 0, length, this.#offset);
      if (read === 0) {
        this.atEnd = true;
        return false;
      }
      left -= read;
      this.#take(chunk, read);
    }
    this.atEnd = false;
    return true;
  }

  /** The file is over: its unfinished line is one. */
  finish(): void {
    const partial = this.#partial;
    this.#partial = null;
    if (partial === null) return;
    const start = this.#offset;
    if (this.#skipping) return this.#pass(partial, partial.length);
    const batch = this.#batch(partial, start + partial.length, 0, partial.length);
    batch.add(0, partial.length);
    this.#send(batch);
  }

  /** Gives the open file to a next generation, which alone closes it. */
  takeHandle(): OpenFile {
    return this.#handle;
  }

  close(): void {
    this.#handle.close();
  }

  #take(chunk: Buffer, length: number): void {
    let from = 0;
    if (this.#skipping) {
      const newline = chunk.indexOf(NEWLINE);
      if (newline < 0 || newline >= length) return this.#pass(chunk, length);
      this.#skipping = false;
      from = newline + 1;
    }
    const last = chunk.lastIndexOf(NEWLINE, length - 1);
    if (last >= from) return this.#takeLines(chunk, from, last + 1);
    if (from > 0) return this.#pass(chunk, from);
    const { bounds, counts } = this.#host;
    if (length > bounds.maxLineBytes) {
      const end = pieceEnd(chunk, 0, length, bounds.maxLineBytes);
      const batch = this.#batch(chunk, this.#offset + end, 0, end);
      batch.add(0, end);
      counts.long += 1;
      this.#skipping = bounds.longLines === "cut";
      return this.#send(batch);
    }
    this.#partial = Buffer.from(chunk.subarray(0, length));
  }

  #takeLines(chunk: Buffer, from: number, end: number): void {
    const batch = this.#batch(chunk, this.#offset + end, from, end);
    addLines(batch, from, end, this.#host.bounds, this.#host.counts);
    this.#send(batch);
  }

  /** A batch that starts at `#offset`; moves on to `end`. Send it before the next. */
  #batch(chunk: Buffer, end: number, tailFrom: number, tailTo: number): EventBatch {
    if (this.#stream === "") this.#stream = this.#nameStream(chunk);
    const tail = fingerprint(chunk, Math.max(tailFrom, tailTo - MAX_TAIL_BYTES), tailTo);
    const range: Range = { end, tail, done: false };
    const { source, wallMs } = { source: this.#host.source, wallMs: this.#host.wallMs() };
    const start = this.#offset;
    this.#offset = end;
    this.#readTail = tail;
    this.#partial = null;
    this.#ranges.push(range);
    this.#mark(chunk, start, tailFrom, tailTo);
    return new EventBatch(source, this.#stream, this.path, chunk, start, wallMs, () => {
      range.done = true;
      this.#advance();
    });
  }

  /** `chunk[from, to)` was read; the chunk begins at `start`. */
  #mark(chunk: Buffer, start: number, from: number, to: number): void {
    const nowMs = this.#host.now();
    if (nowMs - this.#markedAtMs < MARK_MS) return;
    this.#markedAtMs = nowMs;
    for (let part = 1; part <= MARKS_A_BATCH; part++) {
      const at = from + Math.ceil(((to - from) * part) / MARKS_A_BATCH);
      const tail = fingerprint(chunk, Math.max(from, at - MAX_TAIL_BYTES), at);
      this.#marks.push({ offset: start + at, tail });
    }
    if (this.#marks.length > MAX_MARKS) this.#marks.splice(0, MARKS_A_BATCH);
  }

  #send(batch: EventBatch): void {
    if (batch.count === 0) batch.done();
    else this.#host.output.emit(batch);
  }

  /** Bytes that are nobody's: the rest of a line that was cut. */
  #pass(chunk: Buffer, length: number): void {
    this.#batch(chunk, this.#offset + length, 0, length).done();
  }

  #advance(): void {
    let done = 0;
    for (const range of this.#ranges) {
      if (!range.done) break;
      this.#acked = range.end;
      this.#ackedTail = range.tail;
      done += 1;
    }
    if (done > 0) this.#ranges.splice(0, done);
  }

  #nameStream(chunk: Buffer): string {
    const newline = chunk.indexOf(NEWLINE);
    const end = Math.min(newline < 0 ? chunk.length : newline, MAX_NAME_BYTES);
    const parts = [this.device, this.inode, this.generation].map((n) => n.toString(36));
    return [this.#host.instance, ...parts, fingerprint(chunk, 0, end).hash].join(".");
  }

  #isWithinLine(): boolean {
    const before = Buffer.alloc(1);
    return this.#handle.readAt(before, 0, 1, this.#offset - 1) === 1 && before[0] !== NEWLINE;
  }
}

/** A file that nobody has seen yet. */
export function newEntry(
  path: string,
  file: { readonly device: number; readonly inode: number; readonly modifiedMs: number },
  generation: number,
): Entry {
  const { device, inode, modifiedMs } = file;
  const none = { head: NO_BYTES, tail: NO_BYTES, stream: "", offset: 0 };
  return { path, device, inode, generation, modifiedMs, ...none };
}

/** Whether an open file is the one of the entry, with all that was read of it. */
export function matches(handle: OpenFile, entry: Entry): boolean {
  if (handle.stat().sizeBytes < entry.offset) return false;
  if (!holds(handle, 0, entry.head)) return false;
  return holds(handle, entry.offset - entry.tail.length, entry.tail);
}

/** A file of which only what comes from now on is wanted: behind its last line. */
export function endEntry(
  path: string,
  handle: OpenFile,
  generation: number,
  maxLineBytes: number,
): Entry {
  const stat = handle.stat();
  const length = Math.min(stat.sizeBytes, maxLineBytes);
  const last = Buffer.alloc(length);
  const from = stat.sizeBytes - length;
  const read = handle.readAt(last, 0, length, from);
  const newline = last.lastIndexOf(NEWLINE, read - 1);
  const offset = read === 0 || newline < 0 ? from + read : from + newline + 1;
  return readEntry(newEntry(path, stat, generation), handle, offset);
}

/** The entry of a file of which everything before `offset` is done with. */
export function readEntry(entry: Entry, handle: OpenFile, offset: number): Entry {
  const tailBytes = Math.min(offset, MAX_TAIL_BYTES);
  const head = fingerprintAt(handle, 0, MAX_HEAD_BYTES);
  const tail = fingerprintAt(handle, offset - tailBytes, tailBytes);
  return { ...entry, head, tail, offset };
}
