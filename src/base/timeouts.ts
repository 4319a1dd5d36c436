import type { Clock, Timer } from "./world.ts";

/**
 * Timeouts by the thousand without a timer each: entries of the same length expire in the order in
 * which they were armed, so a list per length with one timer for its head is enough. Arm, disarm
 * and re-arm are constant, allocate nothing, and set no timer while the list is not empty.
 */
export class Timeouts {
  #clock: Clock;
  #lists = new Map<number, TimeoutList>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The list of one length. Lengths come from settings, so there are few. */
  list(lengthMs: number): TimeoutList {
    let list = this.#lists.get(lengthMs);
    if (list === undefined) {
      list = new TimeoutList(this.#clock, lengthMs);
      this.#lists.set(lengthMs, list);
    }
    return list;
  }
}

/** What expires. Extend it or embed it; an entry is in one list at most. */
export abstract class TimeoutEntry {
  /** Owned by TimeoutList. */
  list: TimeoutList | null = null;
  deadline = 0;
  previous: TimeoutEntry | null = null;
  next: TimeoutEntry | null = null;

  abstract onTimeout(): void;

  disarm(): void {
    this.list?.remove(this);
  }
}

export class TimeoutList {
  #clock: Clock;
  #lengthMs: number;
  #head: TimeoutEntry | null = null;
  #tail: TimeoutEntry | null = null;
  #timer: Timer | null = null;
  #expiring = false;

  constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock;
    this.#lengthMs = lengthMs;
  }

  /** Arms the entry, or starts its time anew. A length of 0 never expires. */
  arm(entry: TimeoutEntry): void {
    if (this.#lengthMs <= 0) return;
    if (entry.list !== null) entry.list.remove(entry);
    entry.list = this;
    entry.deadline = this.#clock.now() + this.#lengthMs;
    entry.previous = this.#tail;
    entry.next = null;
    if (this.#tail !== null) this.#tail.next = entry;
    else this.#head = entry;
    this.#tail = entry;
    if (this.#timer === null && !this.#expiring) {
      this.#timer = this.#clock.after(this.#lengthMs, this.#expire);
    }
  }

  remove(entry: TimeoutEntry): void {
    if (entry.list !== this) return;
    if (entry.previous !== null) entry.previous.next = entry.next;
    else this.#head = entry.next;
    if (entry.next !== null) entry.next.previous = entry.previous;
    else this.#tail = entry.previous;
    entry.list = null;
    entry.previous = null;
    entry.next = null;
  }

  #expire = (): void => {
    const now = this.#clock.now();
    this.#timer = null;
    this.#expiring = true;
    try {
      for (let entry = this.#head; entry !== null && entry.deadline <= now; entry = this.#head) {
        this.remove(entry);
        entry.onTimeout();
      }
    } finally {
      this.#expiring = false;
      if (this.#head !== null) {
        this.#timer = this.#clock.after(this.#head.deadline - now, this.#expire);
      }
    }
  };
}
