import type { Event } from "../api/event.ts";
import type { Clock } from "../base/world.ts";
import { EventBatch } from "./event_batch.ts";

export interface QueueBounds {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** What the runner is told of a queue's events. */
export interface QueueOwner {
  /** The sink took them. */
  delivered(events: readonly Event[]): void;
  /** The sink took all events of a batch for which there are no objects. */
  deliveredBatch(batch: EventBatch): void;
  /** The sink will never take it; it has to be kept with its reason. */
  refused(event: Event, reason: string): void;
  /** There is room again after the queue was full. */
  roomAgain(): void;
}

interface Entry {
  readonly what: readonly Event[] | EventBatch;
  readonly atMs: number;
}

/**
 * What waits for one sink, and what that sink has taken and not settled: both count against the
 * bounds. A batch is never split at the door, so a queue holds at most its bound and one batch.
 */
export class SinkQueue {
  #clock: Clock;
  #bounds: QueueBounds;
  #owner: QueueOwner;
  #entries: Entry[] = [];
  /** Entries before it were taken. */
  #head = 0;
  /** Events of the first entry that were taken. */
  #within = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #unsettled = 0;
  #unsettledBytes = 0;
  #wasFull = false;
  /** Whether `leftovers` may be asked for. */
  #tracks: boolean;
  /**
   * Handed out and not settled, for `leftovers`: as they were handed out, as long as they are
   * settled in the same way, which costs nothing for each event; else one by one.
   */
  #handed: (readonly Event[])[] = [];
  #taken = new Set<Event>();

  /** `tracks`: whether `leftovers` may be asked for. */
  constructor(clock: Clock, bounds: QueueBounds, owner: QueueOwner, tracks = false) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#owner = owner;
    this.#tracks = tracks;
  }

  /** All that is not settled, taken or not: for another queue, when this one's sink is closed. */
  leftovers(): Event[] {
    return [...this.handedOut, ...this.take(Infinity, Infinity)];
  }

  /** Handed out and not settled, of a queue that tracks it. */
  get handedOut(): Event[] {
    return [...this.#taken, ...this.#handed.flat()];
  }

  /** Takes out what waits, but for batches that stay: it is somebody else's from here on. */
  withdraw(stays: (batch: EventBatch) => boolean): Event[] {
    const withdrawn: Event[] = [];
    const kept: Entry[] = [];
    let within = 0;
    for (let i = this.#head; i < this.#entries.length; i += 1) {
      const entry = this.#entries[i]!;
      const from = i === this.#head ? this.#within : 0;
      if (entry.what instanceof EventBatch && stays(entry.what)) {
        if (kept.length === 0) within = from;
        kept.push(entry);
        continue;
      }
      const events = eventsOf(entry.what);
      for (let at = from; at < events.length; at += 1) withdrawn.push(events[at]!);
    }
    this.#entries = kept;
    this.#head = 0;
    this.#within = within;
    let bytes = 0;
    for (const { sizeBytes } of withdrawn) bytes += sizeBytes;
    this.#waiting -= withdrawn.length;
    this.#waitingBytes -= bytes;
    this.#unsettled -= withdrawn.length;
    this.#unsettledBytes -= bytes;
    return withdrawn;
  }

  /** Events that no `take` has handed out. */
  get waiting(): number {
    return this.#waiting;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Events that the sink has not settled, waiting or taken. */
  get unsettled(): number {
    return this.#unsettled;
  }

  get unsettledBytes(): number {
    return this.#unsettledBytes;
  }

  get isFull(): boolean {
    const { maxEvents, maxBytes } = this.#bounds;
    const full = this.#unsettled >= maxEvents || this.#unsettledBytes >= maxBytes;
    if (full) this.#wasFull = true;
    return full;
  }

  /** 0 for empty, 1 for full, by events or bytes, whichever is nearer to its bound. */
  get fill(): number {
    const { maxEvents, maxBytes } = this.#bounds;
    return Math.min(1, Math.max(this.#unsettled / maxEvents, this.#unsettledBytes / maxBytes));
  }

  /** How long the oldest waiting event has waited, in milliseconds; 0 where none waits. */
  get ageMs(): number {
    const oldest = this.#entries[this.#head];
    return oldest === undefined ? 0 : this.#clock.now() - oldest.atMs;
  }

  /** For the runner. The array stays as it is: other queues may hold it too. */
  push(events: readonly Event[]): void {
    if (events.length === 0) return;
    let bytes = 0;
    for (const event of events) bytes += event.sizeBytes;
    this.#add(events, events.length, bytes);
  }

  /** For the runner: all events of a batch, which get objects only if somebody looks at them. */
  pushBatch(batch: EventBatch): void {
    if (batch.count > 0) this.#add(batch, batch.count, batch.eventBytes);
  }

  /**
   * At most so many, at least one where one waits. Each must be settled: delivered or refused; all
   * at once by this very array, unchanged, costs least.
   */
  take(maxEvents: number, maxBytes: number): Event[] {
    const taken: Event[] = [];
    let bytes = 0;
    while (this.#head < this.#entries.length) {
      const events = eventsOf(this.#entries[this.#head]!.what);
      let at = this.#within;
      let full = false;
      for (; at < events.length; at += 1) {
        const size = events[at]!.sizeBytes;
        full = taken.length >= maxEvents || (bytes + size > maxBytes && taken.length > 0);
        if (full) break;
        bytes += size;
        taken.push(events[at]!);
      }
      this.#within = at;
      if (at === events.length) this.#next();
      if (full) break;
    }
    this.#waiting -= taken.length;
    this.#waitingBytes -= bytes;
    if (this.#tracks && taken.length > 0) this.#handed.push(taken);
    return taken;
  }

  delivered(events: readonly Event[]): void {
    this.#settle(events);
    this.#owner.delivered(events);
    this.#tellRoom();
  }

  refused(event: Event, reason: string): void {
    this.#settle([event]);
    this.#owner.refused(event, reason);
    this.#tellRoom();
  }

  /** Takes and delivers all that waits; events that nobody looked at get no objects for it. */
  deliverAll(): void {
    while (this.#head < this.#entries.length) {
      const { what } = this.#entries[this.#head]!;
      if (this.#within > 0 || !isUnread(what)) {
        this.delivered(this.take(Infinity, Infinity));
        continue;
      }
      this.#next();
      const { count, eventBytes } = what;
      this.#waiting -= count;
      this.#waitingBytes -= eventBytes;
      this.#unsettled -= count;
      this.#unsettledBytes -= eventBytes;
      this.#owner.deliveredBatch(what);
      this.#tellRoom();
    }
  }

  #add(what: Entry["what"], count: number, bytes: number): void {
    this.#waiting += count;
    this.#waitingBytes += bytes;
    this.#unsettled += count;
    this.#unsettledBytes += bytes;
    this.#entries.push({ what, atMs: this.#clock.now() });
  }

  #settle(events: readonly Event[]): void {
    if (this.#tracks) this.#forget(events);
    let bytes = 0;
    for (const event of events) bytes += event.sizeBytes;
    this.#unsettled -= events.length;
    this.#unsettledBytes -= bytes;
  }

  #forget(settled: readonly Event[]): void {
    const at = this.#handed.indexOf(settled);
    if (at >= 0) {
      this.#handed.splice(at, 1);
      return;
    }
    for (const events of this.#handed) for (const event of events) this.#taken.add(event);
    this.#handed.length = 0;
    for (const event of settled) this.#taken.delete(event);
  }

  #tellRoom(): void {
    if (!this.#wasFull) return;
    // Half empty before the source goes on: it then reads in large pieces, not event by event.
    const { maxEvents, maxBytes } = this.#bounds;
    if (this.#unsettled > maxEvents / 2 || this.#unsettledBytes > maxBytes / 2) return;
    this.#wasFull = false;
    this.#owner.roomAgain();
  }

  #next(): void {
    // At once: where the queue never runs empty, a thousand batches would stay in memory.
    this.#entries[this.#head] = TAKEN;
    this.#head += 1;
    this.#within = 0;
    if (this.#head === this.#entries.length) {
      this.#entries = [];
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}

const TAKEN: Entry = { what: [], atMs: 0 };

function eventsOf(what: Entry["what"]): readonly Event[] {
  return what instanceof EventBatch ? what.events : what;
}

function isUnread(what: Entry["what"]): what is EventBatch {
  return what instanceof EventBatch && !what.hasEvents;
}
