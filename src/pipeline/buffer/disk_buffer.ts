import type { Event } from "../../api/event.ts";
import type { OpenFile, Timer, World } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import type { EventBatch } from "../event_batch.ts";
import type { QueueBounds, QueueOwner } from "../sink_queue.ts";
import { SinkQueue } from "../sink_queue.ts";
import type { Encoded } from "./frame_codec.ts";
import { decodeFrame, encodeBatch, encodeEvents, readFrame } from "./frame_codec.ts";
import type { Recovery, Segment } from "./segments.ts";
import { newSegment, recoverSegments, segmentPath, writePosition } from "./segments.ts";
import type { Frame, StoredEvent } from "./stored_event.ts";

export interface DiskBufferOptions {
  /** Its own, mode 0700. */
  readonly folder: string;
  /** Of all its files. A frame is never split at the door: the bound, and one batch. */
  readonly maxBytes: number;
  readonly fsync: "each" | "interval" | "never";
  /** What is in memory for the sink; the rest is read back from disk. */
  readonly memory: QueueBounds;
  /** Tells the slots of this process from those of an earlier one. */
  readonly epoch: string;
}

/** What the runner is told. Events that come here are the stored copies, except in `durable`. */
export interface DiskBufferOwner {
  /** These were pushed, and are safe now: their source may be told. */
  durable(events: readonly Event[]): void;
  durableBatch(batch: EventBatch): void;
  delivered(events: readonly Event[]): void;
  deliveredBatch(batch: EventBatch): void;
  /** Call `ended` when it lies in the dead letters, or is given up. */
  refused(event: Event, reason: string): void;
  /** They were in files that cannot be read any more. */
  lost(source: string, count: number): void;
  /** The sink has something to take. */
  loaded(): void;
  roomAgain(): void;
}

/** Pushed, and not durable yet. */
interface Pending {
  readonly encoded: Encoded;
  /** Null once they are acknowledged, as is the batch: a sync may be a second away. */
  events: readonly Event[] | null;
  batch: EventBatch | null;
  /** It is in memory for the sink. */
  isLoaded: boolean;
  isWritten: boolean;
  isAcknowledged: boolean;
}

const SYNC_MS = 1000;
const SYNC_BYTES = 8 * 1024 * 1024;
const RETRY_MS = 1000;
const POSITION_MS = 1000;
const MIN_SEGMENT_BYTES = 128 * 1024;
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
/** Frames are written together up to about as much. */
const WRITE_BYTES = 256 * 1024;
/** Above that, what is pending does not wait for the end of the turn, and for a sink that is quick. */
const PENDING_BYTES = 4 * 1024 * 1024;
/** A piece of so many bytes is written by itself. */
const LARGE_BYTES = 64 * 1024;

/**
 * What waits for one sink, on disk: events are written to segment files as they come, and are then
 * acknowledged to their source. As long as the sink keeps up they go on to it from memory; what it
 * has taken by the end of the turn is not written any more. Behind that they are read back in order. A segment is removed when all in it is settled. A disk that
 * takes nothing holds the sources back, and what is in memory is delivered meanwhile.
 */
export class DiskBuffer {
  /** For the sink. */
  readonly queue: SinkQueue;
  /** What the queue tells of events that are here. */
  readonly settle: QueueOwner;
  /** All that comes is written, whether the sink keeps up or not. */
  readonly isEager = true;
  #world: World;
  #options: DiskBufferOptions;
  #owner: DiskBufferOwner;
  #report: (text: string) => void;
  #epoch: string;
  #segments: Segment[] = [];
  #lastNumber = 0;
  #segmentBytes: number;
  #diskBytes = 0;
  #writer: { readonly segment: Segment; readonly file: OpenFile } | null = null;
  #reader: { readonly number: number; readonly file: OpenFile } | null = null;
  /** Where the next frame is that was written and is not in memory. */
  #readAt = 0;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  /** Frames in `#pending` that are not in memory for the sink. */
  #spilled = 0;
  #unsynced: Pending[] = [];
  #unsyncedBytes = 0;
  #byFrame = new Map<Frame, Pending>();
  /** In memory, in the order of the files. */
  #live: Frame[] = [];
  #unsettled = 0;
  #isLoading = false;
  #isFailing = false;
  #wasFull = false;
  #flushTimer: Timer | null = null;
  #syncTimer: Timer | null = null;
  #retryTimer: Timer | null = null;
  #positionTimer: Timer | null = null;
  #moved = false;
  #closed = false;
  /** Times that the disk refused. */
  writeFailures = 0;

  /** `queue`: one that has other events too; it calls `settle` for those that are here. */
  constructor(
    world: World,
    options: DiskBufferOptions,
    owner: DiskBufferOwner,
    report: (text: string) => void,
    queue: SinkQueue | null = null,
  ) {
    this.#world = world;
    this.#options = options;
    this.#owner = owner;
    this.#report = report;
    this.#epoch = options.epoch;
    const eighth = options.maxBytes / 8;
    this.#segmentBytes = Math.min(Math.max(eighth, MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES);
    this.settle = {
      delivered: (events) => this.#delivered(events),
      deliveredBatch: (batch) => this.#deliveredBatch(batch as Frame),
      refused: (event, reason) => {
        this.#unsettled -= 1;
        owner.refused(event, reason);
      },
      roomAgain: () => this.#load(),
    };
    this.queue = queue ?? new SinkQueue(world.clock, options.memory, this.settle);
  }

  /**
   * Finds what an earlier process left. Call it once, before all else; `load` follows when the sink
   * is there. @throws FileError
   */
  open(): Recovery {
    const { files } = this.#world;
    this.#prepare();
    const found = recoverSegments(files, this.#options.folder, this.#report);
    this.#segments = found.segments;
    this.#lastNumber = found.lastNumber;
    for (const { unsettled, sizeBytes } of this.#segments) {
      this.#unsettled += unsettled;
      this.#diskBytes += sizeBytes;
    }
    this.#readAt = this.#segments[0]?.doneTo ?? 0;
    return found.recovery;
  }

  #prepare(): void {
    const { files, clock } = this.#world;
    files.makeFolder(this.#options.folder, { mode: 0o700 });
    this.#positionTimer ??= clock.every(POSITION_MS, () => this.#checkpoint());
  }

  /** Events that are neither delivered nor refused, in memory and on disk. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** The same by source. */
  get unsettledBySource(): ReadonlyMap<string, number> {
    const all = new Map<string, number>();
    const add = (source: string, n: number): void => void all.set(source, (all.get(source) ?? 0) + n);
    for (const { source, left } of this.#live) add(source, left);
    for (const { unread } of this.#segments) for (const [source, n] of unread) add(source, n);
    for (const { isLoaded, encoded } of this.#pending) {
      if (!isLoaded) add(encoded.frame.source, encoded.frame.left);
    }
    return all;
  }

  /** Bytes of its files. */
  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** Something has to be read back before what comes now. */
  get hasUnread(): boolean {
    return this.#spilled > 0 || this.#segments.some(({ unreadFrames }) => unreadFrames > 0);
  }

  /** Waits for the disk before it is acknowledged. */
  get isUnwritten(): boolean {
    return this.#pending.length > 0 || this.#unsynced.length > 0;
  }

  get isFull(): boolean {
    const { maxBytes, memory } = this.#options;
    const isFull =
      this.#diskBytes + this.#pendingBytes >= maxBytes ||
      (this.#isFailing && this.#pendingBytes >= memory.maxBytes);
    if (isFull) this.#wasFull = true;
    return isFull;
  }

  get fill(): number {
    return Math.min(1, (this.#diskBytes + this.#pendingBytes) / this.#options.maxBytes);
  }

  push(events: readonly Event[]): void {
    if (events.length === 0) return;
    const frames = encodeEvents(events, this.#epoch);
    // Nobody else will read them: until the disk has synced, they would only fill memory.
    for (const event of events) if (event.pending === 1) event.fields = null;
    let from = 0;
    for (const one of frames) {
      const to = from + one.frame.left;
      const own = frames.length === 1 ? events : events.slice(from, to);
      this.#add({ encoded: one, events: own, batch: null });
      from = to;
    }
  }

  /** Writes copies of events that the sink has in hand, and returns them in the same order. */
  keep(events: readonly Event[]): StoredEvent[] {
    const copies: StoredEvent[] = [];
    for (const encoded of events.length === 0 ? [] : encodeEvents(events, this.#epoch)) {
      const { frame } = encoded;
      const own = events.slice(copies.length, copies.length + frame.left);
      copies.push(...(frame.events as StoredEvent[]));
      this.#live.push(frame);
      this.#addAs({ encoded, events: own, batch: null }, true);
    }
    return copies;
  }

  /** A batch without objects, all of it, whose only sink this is. */
  pushBatch(batch: EventBatch): void {
    if (batch.hasEvents) this.push(batch.events);
    else this.#add({ encoded: encodeBatch(batch, this.#epoch), events: null, batch });
  }

  /** Refused, and taken care of. */
  ended(event: Event): void {
    const { frame } = event as StoredEvent;
    // Of a buffer that was closed for a change of the file: there it stays.
    if (this.#live.includes(frame)) this.#leave(frame, 1);
  }

  /** Reads back as much as the sink has room for. */
  load(): void {
    this.#load();
  }

  /** All of it is on its way to disk. */
  relieve(): void {}

  keepAll(): void {
    this.flush();
  }

  /** None: all is here. */
  leftovers(): Event[] {
    return [];
  }

  /** Writes and syncs what is pending. */
  flush(): void {
    this.#flush();
    if (this.#unsynced.length > 0) this.#sync();
  }

  /** The last call. */
  close(): void {
    if (!this.#closed && !this.#isFailing) this.flush();
    this.#closed = true;
    for (const timer of [this.#flushTimer, this.#syncTimer, this.#retryTimer]) timer?.cancel();
    this.#positionTimer?.cancel();
    this.#checkpoint();
    this.#closeQuietly(this.#writer?.file);
    this.#closeQuietly(this.#reader?.file);
  }

  // -------------------------------------------------------------- in

  #add(parts: Pick<Pending, "encoded" | "events" | "batch">): void {
    const { frame } = parts.encoded;
    const isLoaded = !this.hasUnread && !this.queue.isFull;
    if (isLoaded) this.#toSink(frame);
    this.#addAs(parts, isLoaded);
  }

  #addAs(parts: Pick<Pending, "encoded" | "events" | "batch">, isLoaded: boolean): void {
    const { frame, sizeBytes } = parts.encoded;
    const one: Pending = { ...parts, isLoaded, isWritten: false, isAcknowledged: false };
    this.#pending.push(one);
    this.#byFrame.set(frame, one);
    this.#pendingBytes += sizeBytes;
    this.#unsettled += frame.left;
    if (!isLoaded) this.#spilled += 1;
    if (this.#pendingBytes >= PENDING_BYTES && this.#retryTimer === null) this.#flush();
    else this.#flushTimer ??= this.#world.clock.after(0, () => this.#flush());
  }

  #toSink(frame: Frame): void {
    this.#live.push(frame);
    this.queue.pushBatch(frame);
  }

  #flush(): void {
    this.#flushTimer?.cancel();
    this.#flushTimer = null;
    if (this.#retryTimer !== null || this.#pending.length === 0) return;
    try {
      while (this.#pending.length > 0) this.#writeSome();
    } catch (error) {
      return this.#failed(error);
    }
    this.#works();
    if (this.#options.fsync === "each" || this.#unsyncedBytes >= SYNC_BYTES) this.#sync();
    else if (this.#options.fsync === "never") this.#acknowledge();
    else this.#syncTimer ??= this.#world.clock.after(SYNC_MS, () => this.#sync());
    this.#load();
  }

  /** One write: what of the pending frames belongs into one segment. */
  #writeSome(): void {
    const { segment, file } = this.#openWriter();
    let count = 0;
    let bytes = 0;
    const parts: Buffer[] = [];
    for (const { encoded } of this.#pending) {
      if (count > 0 && bytes + encoded.sizeBytes > WRITE_BYTES) break;
      parts.push(...encoded.parts);
      bytes += encoded.sizeBytes;
      count += 1;
    }
    try {
      for (const part of joined(parts)) file.write(part);
    } catch (error) {
      // Half a frame would hide what follows it.
      file.truncate(segment.sizeBytes);
      throw error;
    }
    for (const one of this.#pending.splice(0, count)) this.#written(segment, one);
    if (segment.sizeBytes >= this.#segmentBytes) this.#endSegment();
  }

  #written(segment: Segment, one: Pending): void {
    const { frame, sizeBytes } = one.encoded;
    one.isWritten = true;
    one.encoded.parts = [];
    segment.sizeBytes += sizeBytes;
    this.#diskBytes += sizeBytes;
    this.#pendingBytes -= sizeBytes;
    this.#unsyncedBytes += sizeBytes;
    this.#unsynced.push(one);
    segment.unsettled += frame.left;
    frame.place = { segment: segment.number, end: segment.sizeBytes };
    if (one.isLoaded) {
      if (frame.left === 0) this.#advance();
      return;
    }
    this.#spilled -= 1;
    segment.unreadFrames += 1;
    segment.unread.set(frame.source, (segment.unread.get(frame.source) ?? 0) + frame.left);
    this.#byFrame.delete(frame);
    if (!this.#segments.some((s) => s !== segment && s.unreadFrames > 0)) {
      if (segment.unreadFrames === 1) this.#readAt = segment.sizeBytes - sizeBytes;
    }
  }

  #openWriter(): { readonly segment: Segment; readonly file: OpenFile } {
    if (this.#writer !== null) return this.#writer;
    const number = this.#lastNumber + 1;
    const path = segmentPath(this.#options.folder, number);
    this.#prepare();
    const file = this.#world.files.open(path, "append", { mode: 0o600 });
    this.#lastNumber = number;
    const segment = newSegment(number);
    this.#segments.push(segment);
    this.#moved = true;
    return (this.#writer = { segment, file });
  }

  #endSegment(): void {
    const writer = this.#writer!;
    if (this.#options.fsync !== "never") writer.file.sync();
    this.#writer = null;
    this.#closeQuietly(writer.file);
    this.#removeSettled();
  }

  // -------------------------------------------------------------- durable

  #sync(): void {
    this.#syncTimer?.cancel();
    this.#syncTimer = null;
    try {
      this.#writer?.file.sync();
    } catch (error) {
      return this.#failed(error);
    }
    this.#works();
    this.#acknowledge();
  }

  #acknowledge(): void {
    const durable = this.#unsynced;
    this.#unsynced = [];
    this.#unsyncedBytes = 0;
    for (const one of durable) this.#acknowledgeOne(one);
    this.#tellRoom();
  }

  #acknowledgeOne(one: Pending): void {
    if (one.isAcknowledged) return;
    one.isAcknowledged = true;
    this.#byFrame.delete(one.encoded.frame);
    const { batch, events } = one;
    one.batch = null;
    one.events = null;
    if (batch !== null) this.#owner.durableBatch(batch);
    else this.#owner.durable(events!);
  }

  #failed(error: unknown): void {
    this.writeFailures += 1;
    if (!this.#isFailing) {
      const text = error instanceof Error ? error.message : String(error);
      this.#report(
        `the buffer on disk takes nothing: ${text}; tried again every second. Its sources wait` +
          " when memory is full; nothing is acknowledged that is not safe",
      );
    }
    this.#isFailing = true;
    for (const one of [...this.#pending]) if (one.encoded.frame.left === 0) this.#forget(one);
    this.#retryTimer ??= this.#world.clock.after(RETRY_MS, () => {
      this.#retryTimer = null;
      if (this.#pending.length > 0) this.#flush();
      if (this.#unsynced.length > 0 && this.#retryTimer === null) this.#sync();
    });
    // What could not be written can still be delivered.
    this.#load();
  }

  #works(): void {
    if (this.#isFailing) this.#report("the buffer on disk takes events again");
    this.#isFailing = false;
    this.#tellRoom();
  }

  // -------------------------------------------------------------- out

  #load(): void {
    if (this.#isLoading || this.#closed) return;
    this.#isLoading = true;
    let loaded = false;
    const { maxEvents, maxBytes } = this.#options.memory;
    try {
      while (
        this.queue.unsettled <= maxEvents / 2 &&
        this.queue.unsettledBytes <= maxBytes / 2 &&
        this.#loadOne()
      ) {
        loaded = true;
        // A sink that takes at once makes room at once.
        this.#owner.loaded();
      }
    } finally {
      this.#isLoading = false;
    }
    if (loaded) this.#tellRoom();
  }

  /** The next frame that is not in memory. False where there is none. */
  #loadOne(): boolean {
    const segment = this.#segments.find(({ unreadFrames }) => unreadFrames > 0);
    if (segment === undefined) return this.#loadPending();
    if (this.#reader?.number !== segment.number) {
      this.#closeQuietly(this.#reader?.file);
      this.#reader = null;
    }
    try {
      const path = segmentPath(this.#options.folder, segment.number);
      this.#reader ??= {
        number: segment.number,
        file: this.#world.files.open(path, "read"),
      };
      this.#loadFrom(segment, this.#reader.file);
      return true;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (error.code === "not-found") {
        this.#lose(segment);
        return true;
      }
      this.#failed(error);
      return false;
    }
  }

  #loadFrom(segment: Segment, file: OpenFile): void {
    const read = readFrame(file, this.#readAt, segment.sizeBytes);
    if (read.kind === "damaged") {
      if (read.next === null) return this.#lose(segment);
      this.#report(`${this.#options.folder}: ${read.next - this.#readAt} bytes are damaged`);
      this.#readAt = read.next;
      return;
    }
    this.#readAt = read.end;
    const frame = decodeFrame(read.payload, this.#epoch);
    if (frame === null) return;
    segment.unreadFrames -= 1;
    segment.unread.set(frame.source, (segment.unread.get(frame.source) ?? 0) - frame.left);
    frame.place = { segment: segment.number, end: read.end };
    this.#toSink(frame);
    if (segment.unreadFrames === 0) this.#nextSegment(segment);
  }

  /** Where the reading goes on when a segment is read. */
  #nextSegment(segment: Segment): void {
    const next = this.#segments.find(({ unreadFrames }) => unreadFrames > 0);
    if (next !== undefined && next !== segment) this.#readAt = next.doneTo;
  }

  /** What was counted in a segment and is not to be found: it is gone, and said so. */
  #lose(segment: Segment): void {
    this.#report(`${segmentPath(this.#options.folder, segment.number)}: its rest cannot be read`);
    for (const [source, count] of segment.unread) {
      if (count <= 0) continue;
      segment.unsettled -= count;
      this.#unsettled -= count;
      this.#owner.lost(source, count);
    }
    segment.unread.clear();
    segment.unreadFrames = 0;
    this.#nextSegment(segment);
    this.#removeSettled();
  }

  /** From memory, where the disk has not taken it: the last event is never stuck. */
  #loadPending(): boolean {
    if (this.#spilled === 0 || !this.#isFailing) return false;
    const one = this.#pending.find(({ isLoaded }) => !isLoaded);
    if (one === undefined) return false;
    one.isLoaded = true;
    this.#spilled -= 1;
    this.#toSink(one.encoded.frame);
    return true;
  }

  #delivered(events: readonly Event[]): void {
    this.#unsettled -= events.length;
    this.#owner.delivered(events);
    let run = 0;
    for (const [i, event] of events.entries()) {
      run += 1;
      const { frame } = event as StoredEvent;
      if ((events[i + 1] as StoredEvent | undefined)?.frame === frame) continue;
      this.#leave(frame, run);
      run = 0;
    }
    this.#load();
  }

  #deliveredBatch(frame: Frame): void {
    if (frame.slots !== null) return this.#delivered(frame.events);
    const { count } = frame;
    this.#unsettled -= count;
    this.#owner.deliveredBatch(frame);
    this.#leave(frame, count);
    this.#load();
  }

  #leave(frame: Frame, count: number): void {
    frame.left -= count;
    if (frame.place !== null) this.#segment(frame).unsettled -= count;
    if (frame.left > 0) return;
    frame.release();
    // Delivered: it needs no disk any more to be safe. Where the sink takes at once that is before
    // the write, which is half of all that such a pipeline costs.
    const one = this.#byFrame.get(frame);
    if (one !== undefined) {
      this.#acknowledgeOne(one);
      if (!one.isWritten) this.#forget(one);
    }
    this.#advance();
  }

  /** Never written, and delivered: the disk is not asked for it. */
  #forget(one: Pending): void {
    const at = this.#pending.indexOf(one);
    if (at < 0) return;
    this.#pending.splice(at, 1);
    this.#pendingBytes -= one.encoded.sizeBytes;
    const live = this.#live.indexOf(one.encoded.frame);
    if (live >= 0) this.#live.splice(live, 1);
    this.#tellRoom();
  }

  /** Moves the position on over what is settled at the front. */
  #advance(): void {
    let done = 0;
    for (const frame of this.#live) {
      if (frame.left > 0 || frame.place === null) break;
      this.#segment(frame).doneTo = frame.place.end;
      done += 1;
    }
    if (done === 0) return;
    this.#live.splice(0, done);
    this.#moved = true;
    this.#removeSettled();
  }

  #segment(frame: Frame): Segment {
    const { segment: number } = frame.place!;
    // There are few, and the first is nearly always the one.
    return this.#segments.find((segment) => segment.number === number)!;
  }

  // -------------------------------------------------------------- files

  #removeSettled(): void {
    const gone = this.#segments.filter(
      (segment) =>
        segment !== this.#writer?.segment &&
        segment.unsettled === 0 &&
        segment.unreadFrames === 0 &&
        !this.#live.some((frame) => frame.place?.segment === segment.number),
    );
    if (gone.length === 0) return;
    for (const segment of gone) this.#remove(segment);
    this.#tellRoom();
  }

  #remove(segment: Segment): void {
    if (this.#reader?.number === segment.number) {
      this.#closeQuietly(this.#reader.file);
      this.#reader = null;
    }
    this.#segments.splice(this.#segments.indexOf(segment), 1);
    this.#diskBytes -= segment.sizeBytes;
    this.#moved = true;
    try {
      this.#world.files.remove(segmentPath(this.#options.folder, segment.number));
    } catch (error) {
      // It stays as an orphan, and is delivered again after a start unless it goes then.
      this.#report(error instanceof Error ? error.message : String(error));
    }
  }

  #checkpoint(): void {
    const writer = this.#writer;
    const isIdle = this.#unsettled === 0 && this.#live.length === 0 && !this.isUnwritten;
    if (isIdle && writer !== null && writer.segment.sizeBytes > 0) {
      this.#writer = null;
      this.#closeQuietly(writer.file);
      this.#removeSettled();
    }
    if (!this.#moved) return;
    try {
      writePosition(this.#world.files, this.#options.folder, this.#segments);
      this.#moved = false;
    } catch (error) {
      // Events since the last one come twice after a start.
      if (!(error instanceof FileError)) throw error;
      this.writeFailures += 1;
    }
  }

  #tellRoom(): void {
    if (!this.#wasFull) return;
    const { maxBytes, memory } = this.#options;
    if (this.#diskBytes + this.#pendingBytes > maxBytes * 0.75) return;
    if (this.#isFailing && this.#pendingBytes > memory.maxBytes / 2) return;
    this.#wasFull = false;
    this.#owner.roomAgain();
  }

  #closeQuietly(file: OpenFile | undefined): void {
    try {
      file?.close();
    } catch {
      // It was broken before.
    }
  }
}

/**
 * Small pieces as one, for one call; a large body is not copied for the sake of one call less (that
 * took 100 us a MiB, a third of what its writing takes).
 */
function joined(parts: readonly Buffer[]): Buffer[] {
  const out: Buffer[] = [];
  let small: Buffer[] = [];
  const flush = (): void => {
    if (small.length > 0) out.push(small.length === 1 ? small[0]! : Buffer.concat(small));
    small = [];
  };
  for (const part of parts) {
    if (part.length < LARGE_BYTES) small.push(part);
    else {
      flush();
      out.push(part);
    }
  }
  flush();
  return out;
}
