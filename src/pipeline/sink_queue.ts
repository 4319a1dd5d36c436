import type { Event } from "../api/event.ts";
import type { Clock } from "../base/world.ts";

export interface QueueBounds {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** What the runner is told of a queue's events. */
export interface QueueOwner {
  /** The sink took them. */
  delivered(events: readonly Event[]): void;
  /** The sink will never take it; it has to be kept with its reason. */
  refused(event: Event, reason: string): void;
  /** There is room again after the queue was full. */
  roomAgain(): void;
}

/**
 * What waits for one sink, and what that sink has taken and not settled: both count against the
 * bounds. A batch is never split at the door, so a queue holds at most its bound and one batch.
 */
export class SinkQueue {
  #clock: Clock;
  #bounds: QueueBounds;
  #owner: QueueOwner;
  #waiting: Event[] = [];
  #head = 0;
  #arrivals: { count: number; atMs: number }[] = [];
  #waitingBytes = 0;
  #unsettled = 0;
  #unsettledBytes = 0;
  #wasFull = false;

  constructor(clock: Clock, bounds: QueueBounds, owner: QueueOwner) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#owner = owner;
  }

  /** Events that no `take` has handed out. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
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

  /** How long the oldest waiting event has waited, in milliseconds; 0 where none waits. */
  get ageMs(): number {
    const oldest = this.#arrivals[0];
    return oldest === undefined ? 0 : this.#clock.now() - oldest.atMs;
  }

  /** For the runner. */
  push(events: readonly Event[]): void {
    let bytes = 0;
    for (const event of events) {
      this.#waiting.push(event);
      bytes += event.end - event.start;
    }
    this.#waitingBytes += bytes;
    this.#unsettledBytes += bytes;
    this.#unsettled += events.length;
    this.#arrivals.push({ count: events.length, atMs: this.#clock.now() });
  }

  /** At most so many, at least one where one waits. Each must be settled: delivered or refused. */
  take(maxEvents: number, maxBytes: number): Event[] {
    const all = this.#waiting;
    let end = this.#head;
    let bytes = 0;
    while (end < all.length && end - this.#head < maxEvents) {
      const size = all[end]!.end - all[end]!.start;
      if (bytes + size > maxBytes && end > this.#head) break;
      bytes += size;
      end += 1;
    }
    this.#waitingBytes -= bytes;
    const taken = this.#head === 0 && end === all.length ? all : all.slice(this.#head, end);
    this.#aged(end - this.#head);
    if (end === all.length) {
      this.#waiting = [];
      this.#head = 0;
    } else {
      this.#head = end;
      this.#compact();
    }
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

  #settle(events: readonly Event[]): void {
    let bytes = 0;
    for (const event of events) bytes += event.end - event.start;
    this.#unsettled -= events.length;
    this.#unsettledBytes -= bytes;
  }

  #tellRoom(): void {
    if (!this.#wasFull) return;
    // Half empty before the source goes on: it then reads in large pieces, not event by event.
    const { maxEvents, maxBytes } = this.#bounds;
    if (this.#unsettled > maxEvents / 2 || this.#unsettledBytes > maxBytes / 2) return;
    this.#wasFull = false;
    this.#owner.roomAgain();
  }

  /** Forgets arrivals of events that were handed out. */
  #aged(count: number): void {
    let left = count;
    let whole = 0;
    while (left > 0) {
      const arrival = this.#arrivals[whole]!;
      if (arrival.count > left) {
        arrival.count -= left;
        break;
      }
      left -= arrival.count;
      whole += 1;
    }
    if (whole > 0) this.#arrivals.splice(0, whole);
  }

  #compact(): void {
    if (this.#head < 4096 || this.#head * 2 < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}
