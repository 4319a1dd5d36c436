import type { Event } from "../api/event.ts";
import type { Timer } from "../base/world.ts";
import { duration, integer, object, size } from "../schema/field.ts";
import type { Infer } from "../schema/field.ts";
import type { Sink, SinkContext } from "./component.ts";

/** For the config of a sink that sends requests: spread it into its object. */
export const senderFields = {
  batch: object({
    maxEvents: integer({ min: 1, max: 100_000 }).default(1000),
    maxBytes: size({ min: "1KiB", max: "100MiB" })
      .about("Of the lines as they were read.")
      .default("4MiB"),
    maxAge: duration({ min: "1ms", max: "10m" }).default("1s"),
  })
    .about("A request is sent when one of these is reached.")
    .default({}),
  maxInFlight: integer({ min: 1, max: 64 }).about("Requests at once.").default(2),
  timeout: duration({ min: "10ms", max: "10m" }).about("Of one request.").default("30s"),
  backoff: object({
    base: duration({ min: "1ms" }).default("200ms"),
    max: duration({ min: "1ms" }).default("30s"),
  })
    .about("Full jitter: the n-th wait is anywhere from 0 to base times 2^n, at most max.")
    .default({}),
  itemAttempts: integer({ min: 1, max: 1000 })
    .about("An event that alone fails, while others pass, goes to the dead letters after so many.")
    .default(20),
  giveUpAfter: duration({ min: "1s", max: "30d" })
    .about(
      "An event that could not be sent for so long goes to the dead letters. Without it nothing is" +
        " given up while the other side is down: what waits is bounded by the buffer.",
    )
    .optional(),
};

const settings = object(senderFields);

export type SenderSettings = Infer<typeof settings> & {
  /**
   * One request at a time, and nothing newer before what has to be sent again. Only for requests
   * that are taken or refused as a whole.
   */
  readonly inOrder?: boolean;
};

/** What became of one event of a request. */
export type Outcome =
  | "delivered"
  /** Not now: 429, 5xx of this event alone. */
  | { readonly retry: string; /** Not counted as a failure of the event: 429. */ readonly busy?: boolean }
  /** Never: into the dead letters. */
  | { readonly refused: string };

/** What became of a request. */
export type Sent =
  | { readonly kind: "delivered" }
  /**
   * Nothing of it was taken, and it is not the events' fault: the other side is down, busy, or does
   * not let us in (401). All requests wait, `afterMs` where the other side said so.
   */
  | { readonly kind: "retry"; readonly reason: string; readonly afterMs?: number }
  /** One event in it is too much, or all together are: it is halved until that is found. */
  | { readonly kind: "divide"; readonly reason: string }
  /** One for each event, in their order. */
  | { readonly kind: "each"; readonly outcomes: readonly Outcome[] };

/** Sends one request. A rejection is a retry of all. Give up at the context's `timeout` is ours. */
export type Send = (events: readonly Event[]) => Promise<Sent>;

interface Item {
  readonly event: Event;
  readonly sinceMs: number;
  /** Failures that this event alone had. */
  failures: number;
  /** Not sent before this moment of the monotonic clock. */
  notBeforeMs: number;
}

/** The events of one request. */
interface Batch {
  readonly events: readonly Event[];
  readonly sinceMs: number;
  /** One for each event; null as long as they are new and nothing went wrong. */
  items: Item[] | null;
}

/**
 * The delivery of a sink that sends requests: batches by count, bytes and age; at most
 * `maxInFlight` at once; a timeout for each; retries with full jitter, of all or of single events;
 * what is refused for good goes to the dead letters with its reason. Each event is settled once.
 */
export class Sender implements Sink {
  #settings: SenderSettings;
  #context: SinkContext;
  /** Whom it sends to, for people. */
  #whom: string;
  #request: Send;
  /** Events to be sent again. All of them count against the queue's bound. */
  #again: Item[] = [];
  /** Halves of requests that were too large or malformed, each to be sent as it is. */
  #parts: Item[][] = [];
  #inFlight = 0;
  /** Requests in a row that failed as a whole. */
  #failures = 0;
  #pausedUntilMs = -Infinity;
  #timer: Timer | null = null;
  #timerAtMs = Infinity;
  #draining = false;
  #closed = false;
  #saidDown = false;

  constructor(settings: SenderSettings, context: SinkContext, whom: string, request: Send) {
    this.#settings = settings;
    this.#context = context;
    this.#whom = whom;
    this.#request = request;
  }

  wake(): void {
    if (this.#closed) return;
    const now = this.#context.world.clock.now();
    if (now < this.#pausedUntilMs) return this.#wakeAt(this.#pausedUntilMs);
    const { inOrder = false, maxInFlight } = this.#settings;
    while (this.#inFlight < (inOrder ? 1 : maxInFlight)) {
      const batch = this.#next(now);
      if (batch === null) return;
      this.#send(batch);
    }
  }

  drain(): void {
    this.#draining = true;
    this.wake();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  // -------------------------------------------------------------- what to send

  #next(now: number): Batch | null {
    const part = this.#parts.shift();
    if (part !== undefined) return batchOf(part);
    const due = this.#takeDue(now);
    const { queue } = this.#context;
    const { maxEvents, maxBytes, maxAge } = this.#settings.batch;
    const take = (count: number): Batch => {
      return { events: queue.take(count, maxBytes), sinceMs: now, items: null };
    };
    if (due !== null) {
      // New ones beside them show whether it is the other side or the event that fails.
      const room = maxEvents - due.length;
      return batchOf(room > 0 && queue.waiting > 0 ? [...due, ...itemsOf(take(room))] : due);
    }
    if (queue.waiting === 0) return null;
    const full = queue.waiting >= maxEvents || queue.waitingBytes >= maxBytes;
    // A thousandth of grace: a timer may come a hair before the age that it was set for.
    const age = queue.ageMs;
    if (!full && !this.#draining && age < maxAge - 0.001) {
      this.#wakeAt(now + maxAge - age);
      return null;
    }
    return take(maxEvents);
  }

  #takeDue(now: number): Item[] | null {
    if (this.#again.length === 0) return null;
    const { maxEvents, maxBytes } = this.#settings.batch;
    const due: Item[] = [];
    const later: Item[] = [];
    let bytes = 0;
    let nextMs = Infinity;
    for (const item of this.#again) {
      const fits = due.length < maxEvents && (bytes < maxBytes || due.length === 0);
      if (item.notBeforeMs <= now && fits) {
        due.push(item);
        bytes += item.event.sizeBytes;
      } else {
        later.push(item);
        nextMs = Math.min(nextMs, item.notBeforeMs);
      }
    }
    this.#again = later;
    if (later.length > 0) this.#wakeAt(Math.max(nextMs, now));
    return due.length === 0 ? null : due;
  }

  #wakeAt(atMs: number): void {
    if (this.#timer !== null && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    const { clock } = this.#context.world;
    this.#timerAtMs = atMs;
    this.#timer = clock.after(Math.max(0, atMs - clock.now()), () => {
      this.#timer = null;
      this.wake();
    });
  }

  // -------------------------------------------------------------- sending

  #send(batch: Batch): void {
    const { world, count } = this.#context;
    const { timeout: timeoutMs } = this.#settings;
    this.#inFlight += 1;
    count("requests");
    let ended = false;
    const end = (run: () => void): void => {
      if (ended || this.#closed) return;
      ended = true;
      timeout.cancel();
      this.#inFlight -= 1;
      run();
      this.wake();
    };
    const timeout = world.clock.after(timeoutMs, () => {
      end(() => this.#failed(batch, `no answer within ${timeoutMs} ms`));
    });
    this.#request(batch.events).then(
      (sent) => end(() => this.#sent(batch, sent)),
      (error: unknown) => {
        end(() => this.#failed(batch, error instanceof Error ? error.message : String(error)));
      },
    );
  }

  #sent(batch: Batch, sent: Sent): void {
    if (sent.kind === "retry") return this.#failed(batch, sent.reason, sent.afterMs);
    if (sent.kind === "divide") return this.#divide(itemsOf(batch), sent.reason);
    if (sent.kind === "each") return this.#sort(itemsOf(batch), sent.outcomes);
    this.#recovered();
    this.#context.queue.delivered(batch.events);
  }

  #sort(items: readonly Item[], outcomes: readonly Outcome[]): void {
    const { queue } = this.#context;
    const taken: Event[] = [];
    const again: Item[] = [];
    const refused: { item: Item; reason: string }[] = [];
    // Where all fail it is the other side: no event is given up for that.
    const progress = outcomes.some((one) => one === "delivered" || "refused" in one);
    for (const [i, item] of items.entries()) {
      const one = outcomes[i]!;
      if (one === "delivered") taken.push(item.event);
      else if ("refused" in one) refused.push({ item, reason: one.refused });
      else if (this.#isGivenUp(item, one.busy ?? false, progress)) {
        refused.push({ item, reason: one.retry });
      } else again.push(item);
    }
    if (again.length > 0) this.#later(again, progress);
    if (progress) this.#recovered();
    else this.#pause("every event was answered with try again");
    if (taken.length > 0) queue.delivered(taken);
    for (const { item, reason } of refused) queue.refused(item.event, reason);
  }

  #isGivenUp(item: Item, isBusy: boolean, progress: boolean): boolean {
    if (this.#isTooOld(item)) return true;
    if (isBusy || !progress) return false;
    item.failures += 1;
    return item.failures >= this.#settings.itemAttempts;
  }

  #isTooOld({ sinceMs }: Item): boolean {
    const { giveUpAfter } = this.#settings;
    return giveUpAfter !== undefined && this.#context.world.clock.now() - sinceMs >= giveUpAfter;
  }

  #later(items: readonly Item[], alone: boolean): void {
    const { world, count } = this.#context;
    count("item_retries", items.length);
    const now = world.clock.now();
    for (const item of items) {
      item.notBeforeMs = alone ? now + this.#jitter(item.failures) : 0;
      this.#again.push(item);
    }
  }

  /** One of them is too much for the other side, or all together are: find out which. */
  #divide(items: Item[], reason: string): void {
    const [only] = items;
    if (items.length === 1) return this.#context.queue.refused(only!.event, reason);
    this.#context.count("divided_requests");
    const middle = Math.ceil(items.length / 2);
    const halves = [items.slice(0, middle), items.slice(middle)];
    if (this.#settings.inOrder === true) this.#parts.unshift(...halves);
    else this.#parts.push(...halves);
  }

  #failed(batch: Batch, reason: string, afterMs = 0): void {
    this.#context.count("failed_requests");
    const old: Item[] = [];
    const again: Item[] = [];
    for (const item of itemsOf(batch)) {
      item.notBeforeMs = 0;
      if (this.#isTooOld(item)) old.push(item);
      else again.push(item);
    }
    if (this.#settings.inOrder !== true) for (const item of again) this.#again.push(item);
    else if (again.length > 0) this.#parts.unshift(again);
    this.#pause(reason, afterMs);
    for (const { event } of old) this.#context.queue.refused(event, `given up: ${reason}`);
  }

  #pause(reason: string, afterMs = 0): void {
    const { world, report } = this.#context;
    this.#failures += 1;
    const waitMs = Math.max(this.#jitter(this.#failures - 1), Math.min(afterMs, MAX_AFTER_MS));
    this.#pausedUntilMs = world.clock.now() + waitMs;
    if (!this.#saidDown) report(`${this.#whom}: ${reason}; tried again until it works`);
    this.#saidDown = true;
  }

  #recovered(): void {
    this.#failures = 0;
    this.#pausedUntilMs = -Infinity;
    if (this.#saidDown) this.#context.report(`${this.#whom} takes events again`);
    this.#saidDown = false;
  }

  #jitter(failures: number): number {
    const { base, max } = this.#settings.backoff;
    const bound = Math.min(max, base * 2 ** Math.min(failures, 30));
    // Never 0: one that refuses at once must not be asked in a loop.
    return 1 + this.#context.world.random.next() * bound;
  }
}

/** Nobody's Retry-After holds a pipeline for longer. */
const MAX_AFTER_MS = 300_000;

function batchOf(items: Item[]): Batch {
  return { events: items.map(({ event }) => event), sinceMs: 0, items };
}

function itemsOf(batch: Batch): Item[] {
  const { events, sinceMs } = batch;
  return (batch.items ??= events.map((event) => {
    return { event, sinceMs, failures: 0, notBeforeMs: 0 };
  }));
}
