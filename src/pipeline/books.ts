import { DEAD_LETTERED, DELIVERED, DerivedEvent } from "../api/event.ts";
import type { Event } from "../api/event.ts";
import type { Awaited } from "./awaited.ts";
import { Joins } from "./buffer/joins.ts";
import { Frame, StoredEvent } from "./buffer/stored_event.ts";
import type { EventBatch } from "./event_batch.ts";
import type { Ledger } from "./ledger.ts";
import { SinkCounts, SourceCounts } from "./ledger.ts";
import type { Parts, RunningSource } from "./parts.ts";
import { REPLAY_SOURCE } from "./replayed_letters.ts";

/**
 * What became of every event. `pending` of an event is how many owners it still has: sinks, the
 * file of dead letters, events that a step made of it. The last one to settle it ends it, and the
 * last event of a batch acknowledges the batch to its source.
 */
export class Books {
  #parts: Parts;
  #awaited: Awaited;
  /** A batch of a source that was told to wait has ended. */
  #mayResume: (running: RunningSource) => void;
  #sources = new Map<string, SourceCounts>();
  #sinks = new Map<string, SinkCounts>();
  /** By component and counter. */
  #counters = new Map<string, Map<string, number>>();
  /** Sinks that a change has taken away, and what their buffers still hold, by source. */
  #retired = new Map<string, ReadonlyMap<string, number>>();
  #joins = new Joins();
  #lastCounts: { readonly source: string; readonly counts: SourceCounts } | null = null;

  constructor(parts: Parts, awaited: Awaited, mayResume: (running: RunningSource) => void) {
    this.#parts = parts;
    this.#awaited = awaited;
    this.#mayResume = mayResume;
  }

  /** Also of a source that is in a buffer on disk and no longer in the file. */
  countsOf(source: string): SourceCounts {
    if (this.#lastCounts?.source === source) return this.#lastCounts.counts;
    let counts = this.#sources.get(source);
    if (counts === undefined) this.#sources.set(source, (counts = new SourceCounts()));
    this.#lastCounts = { source, counts };
    return counts;
  }

  sinkCountsOf(sink: string): SinkCounts {
    let counts = this.#sinks.get(sink);
    if (counts === undefined) this.#sinks.set(sink, (counts = new SinkCounts()));
    return counts;
  }

  count(component: string, counter: string, n: number): void {
    let counters = this.#counters.get(component);
    if (counters === undefined) this.#counters.set(component, (counters = new Map()));
    counters.set(counter, (counters.get(counter) ?? 0) + n);
  }

  get counters(): ReadonlyMap<string, ReadonlyMap<string, number>> {
    return this.#counters;
  }

  ledger(): Ledger {
    const sources = [...this.#sources]
      .filter(([name, { received }]) => name !== REPLAY_SOURCE || received > 0)
      .map(([name, counts]) => [name, counts.line()] as const);
    const sinks = [...this.#sinks].map(([name, counts]) => {
      const { received, recovered, delivered, deadLettered, dropped, letters } = counts;
      const sink = this.#parts.bySink.get(name);
      const own = sink === undefined ? 0 : (sink.disk ?? sink.queue).unsettled;
      const kept = [...(this.#retired.get(name)?.values() ?? [])];
      const buffered = kept.reduce((sum, n) => sum + n, own + letters);
      const line = { received, recovered, delivered, deadLettered, dropped, buffered };
      return [name, line] as const;
    });
    return { sources: Object.fromEntries(sources), sinks: Object.fromEntries(sinks) };
  }

  // -------------------------------------------------------------- buffers on disk

  /** A sink is gone; its buffer on disk keeps these events. */
  retire(sink: string, bySource: ReadonlyMap<string, number>): void {
    this.#retired.set(sink, bySource);
  }

  /**
   * What a buffer on disk holds as it is opened. In the books already, where this process has filled
   * it and closed it for a change. What was settled within a frame that is not settled as a whole
   * comes again.
   */
  recovered(sink: string, bySource: ReadonlyMap<string, number>): void {
    const known = this.#retired.get(sink);
    this.#retired.delete(sink);
    for (const [source, found] of bySource) {
      const n = found - (known?.get(source) ?? 0);
      this.sinkCountsOf(sink).recovered += n;
      this.countsOf(source).recovered += n;
      this.countsOf(source).buffered += n;
    }
  }

  /** A buffer on disk cannot read them again. */
  lost(sink: string, source: string, n: number): void {
    this.sinkCountsOf(sink).dropped += n;
    const counts = this.countsOf(source);
    counts.buffered -= n;
    counts.drop("buffer-damaged", n);
  }

  /** They have a copy on disk from here on: their books are there, they are acknowledged before. */
  openSlots(events: readonly Event[]): void {
    for (const event of events) {
      if (event.slot !== 0) continue;
      const { pending, outcome } = event;
      event.slot = pending === 1 && outcome === DELIVERED ? -1 : this.#joins.open(pending, outcome);
    }
  }

  /** One of its owners is safe without the source. */
  durable(events: readonly Event[]): void {
    for (const event of events) {
      event.pending -= 1;
      if (event.pending === 0) this.end(event);
    }
    this.#awaited.look();
  }

  // -------------------------------------------------------------- the end of an event

  drop(event: Event, reason: string): void {
    event.outcome = reason;
    this.countsOf(event.origin.source).drop(reason);
    this.end(event);
  }

  /** One of the event's owners has done with it. */
  settled(events: readonly Event[]): void {
    for (const event of events) {
      if (event.slot !== 0) {
        this.#settledCopy(event);
        continue;
      }
      event.pending -= 1;
      if (event.pending > 0) continue;
      this.#book(this.countsOf(event.origin.source), event.outcome);
      this.end(event);
    }
    this.#awaited.look();
  }

  /** One of its owners took all events of a batch. */
  settledBatch(batch: EventBatch): void {
    if (batch.hasEvents) return this.settled(batch.events);
    const counts = this.countsOf(batch.source);
    if (batch instanceof Frame) {
      counts.buffered -= batch.count;
      counts.delivered += batch.count;
      return this.#awaited.look();
    }
    batch.pendingEach -= 1;
    if (batch.pendingEach > 0) return;
    counts.buffered -= batch.open;
    counts.delivered += batch.open;
    this.batchEnded(batch);
    this.#awaited.look();
  }

  /** Of an event that a sink or a step refused: it is in the file, or the file was full. */
  letterEnded(event: Event, where: string, isKept: boolean): void {
    // In the dead letters of one sink, and lost to another: it can still be replayed.
    if (isKept) event.outcome = DEAD_LETTERED;
    else if (event.outcome !== DEAD_LETTERED) event.outcome = "dead-letters-full";
    if (this.#sinks.has(where)) this.refusalEnded(where, event, isKept);
    else this.settled([event]);
  }

  refusalEnded(sink: string, event: Event, isKept: boolean): void {
    const counts = this.sinkCountsOf(sink);
    counts.letters -= 1;
    if (isKept) counts.deadLettered += 1;
    else counts.dropped += 1;
    this.#parts.bySink.get(sink)?.disk?.ended(event);
    this.settled([event]);
  }

  end(event: Event): void {
    event.pending = -1;
    if (event instanceof DerivedEvent) {
      for (const parent of event.parents) {
        parent.pending -= 1;
        if (parent.pending === 0) this.end(parent);
      }
      return;
    }
    // Every origin in a pipeline is a batch that a source emitted.
    const batch = event.origin as EventBatch;
    batch.open -= 1;
    if (batch.open === 0) this.batchEnded(batch);
  }

  batchEnded(batch: EventBatch): void {
    const running = batch.owner as RunningSource;
    batch.open = 0;
    running.openBatches -= 1;
    running.openBytes -= batch.sizeBytes;
    batch.done();
    this.#awaited.look();
    if (running.isWaiting) this.#mayResume(running);
  }

  /** Of an event that has a copy on disk; this may be that copy. */
  #settledCopy(event: Event): void {
    const { slot, outcome } = event;
    const whole = slot === -1 ? outcome : this.#joins.settle(slot, outcome);
    if (whole !== null) this.#book(this.countsOf(event.origin.source), whole);
    if (!(event instanceof StoredEvent)) this.durable([event]);
  }

  #book(counts: SourceCounts, outcome: string): void {
    counts.buffered -= 1;
    if (outcome === DELIVERED) counts.delivered += 1;
    else if (outcome === DEAD_LETTERED) counts.deadLettered += 1;
    else counts.drop(outcome);
  }
}
