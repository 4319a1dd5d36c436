import { assert } from "../assert.ts";
import type { Clock, Timer } from "../world.ts";

/** 2026-01-01T00:00:00Z. */
const DEFAULT_START_MS = 1_767_225_600_000;

/** So many events at one instant are code that goes round in a circle. */
const EVENTS_PER_INSTANT_MAX = 1_000_000;

export class PlannedEvent implements Timer {
  cancelled = false;

  constructor(
    readonly at: number,
    /** Events of the same instant happen in the order in which they were planned. */
    readonly sequence: number,
    readonly run: () => void,
    readonly whenCancelled: (() => void) | null,
  ) {}

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.whenCancelled?.();
  }
}

/**
 * Virtual time. It stands still until `advance`, `run` or `until` is called; those run what is due
 * in order of time, and let every promise that became ready go on before the next event.
 */
export class SimulatedClock implements Clock {
  /** Timers of the code under test that are neither fired nor cancelled. */
  pendingTimers = 0;
  /** Called after each event; what it throws ends the advance. */
  afterEvent: () => void = () => {};
  #now = 0;
  #startMs: number;
  #sequence = 0;
  #heap: PlannedEvent[] = [];
  #running = false;
  #uncaught: (error: unknown) => void;

  constructor(uncaught: (error: unknown) => void, startMs = DEFAULT_START_MS) {
    this.#uncaught = uncaught;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#now;
  }

  wallMs(): number {
    return Math.floor(this.#startMs + this.#now);
  }

  /** The wall clock is set forward or back; monotonic time does not notice. */
  jumpWall(byMs: number): void {
    this.#startMs += byMs;
  }

  after(delayMs: number, run: () => void): Timer {
    this.pendingTimers += 1;
    const fire = (): void => {
      this.pendingTimers -= 1;
      run();
    };
    return this.#plan(delayMs, fire, () => {
      this.pendingTimers -= 1;
    });
  }

  every(intervalMs: number, run: () => void): Timer {
    const interval = Math.max(1, intervalMs);
    let cancelled = false;
    let event: PlannedEvent;
    const fire = (): void => {
      event = this.#plan(interval, fire, null);
      run();
    };
    this.pendingTimers += 1;
    event = this.#plan(interval, fire, null);
    return {
      cancel: () => {
        if (cancelled) return;
        cancelled = true;
        this.pendingTimers -= 1;
        event.cancel();
      },
    };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /** For the simulation itself: an event that is nobody's timer. */
  plan(delayMs: number, run: () => void): PlannedEvent {
    return this.#plan(delayMs, run, null);
  }

  /**
   * The same at a time rather than after a delay, for events that must keep their order: now plus
   * (time minus now) is not always that time.
   */
  planAt(at: number, run: () => void): PlannedEvent {
    return this.#planAt(at, run, null);
  }

  /** Lets `ms` go by. With 0: all that is due now. */
  async advance(ms: number): Promise<void> {
    await this.run(this.#now + ms);
  }

  /** Runs until the monotonic time `untilMs`. */
  async run(untilMs: number): Promise<void> {
    await this.#runWhile(untilMs, () => true);
    this.#now = Math.max(this.#now, untilMs);
  }

  /** Runs until the condition holds; false where it still does not after `limitMs`. */
  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#now + limitMs;
    await this.#runWhile(end, () => !condition());
    if (condition()) return true;
    this.#now = Math.max(this.#now, end);
    return false;
  }

  async #runWhile(untilMs: number, wanted: () => boolean): Promise<void> {
    assert(!this.#running, "the virtual clock is advanced by two at once; await the first");
    this.#running = true;
    try {
      await settle();
      let atThisInstant = 0;
      while (wanted()) {
        const event = this.#heap[0];
        if (event === undefined || event.at > untilMs) return;
        this.#removeFirst();
        if (event.cancelled) continue;
        atThisInstant = event.at > this.#now ? 0 : atThisInstant + 1;
        assert(atThisInstant < EVENTS_PER_INSTANT_MAX, `time stands still at ${event.at} ms`);
        this.#now = Math.max(this.#now, event.at);
        try {
          event.run();
        } catch (error) {
          this.#uncaught(error);
        }
        await settle();
        this.afterEvent();
      }
    } finally {
      this.#running = false;
    }
  }

  #plan(delayMs: number, run: () => void, whenCancelled: (() => void) | null): PlannedEvent {
    // A timer of NaN would never be in order with the others.
    assert(!Number.isNaN(delayMs), "a delay that is not a number");
    return this.#planAt(this.#now + Math.max(0, delayMs), run, whenCancelled);
  }

  #planAt(at: number, run: () => void, whenCancelled: (() => void) | null): PlannedEvent {
    this.#sequence += 1;
    let fired = false;
    const event = new PlannedEvent(
      at,
      this.#sequence,
      () => {
        fired = true;
        run();
      },
      () => {
        if (!fired) whenCancelled?.();
      },
    );
    this.#insert(event);
    return event;
  }

  // A binary heap, earliest first.

  #insert(event: PlannedEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: PlannedEvent, b: PlannedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** A turn of the real loop comes only after every promise that is ready has gone on. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
