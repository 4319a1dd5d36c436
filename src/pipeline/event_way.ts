import { DELIVERED } from "../api/event.ts";
import type { Event } from "../api/event.ts";
import type { Books } from "./books.ts";
import type { DeadLetters } from "./dead_letters.ts";
import type { EventBatch } from "./event_batch.ts";
import type { Parts, RunningSink, RunningSource } from "./parts.ts";
import type { RunningStep } from "./step.ts";
import type { Trace } from "./trace.ts";

/** No class is shed while a buffer is less full than that. */
const LOWEST_SHED = 0.5;

/** The way of an event: out of its source, through the steps, to the door of every sink. */
export class EventWay {
  #parts: Parts;
  #books: Books;
  #deadLetters: DeadLetters;
  /** Null unless somebody asked for one. */
  trace: Trace | null = null;

  constructor(parts: Parts, books: Books, deadLetters: DeadLetters) {
    this.#parts = parts;
    this.#books = books;
    this.#deadLetters = deadLetters;
  }

  emit(running: RunningSource, batch: EventBatch): void {
    this.#opened(running, batch);
    if (batch.count === 0) return this.#books.batchEnded(batch);
    if (this.trace !== null && !this.trace.isFull) this.trace.pick(batch.events);
    else if (this.trace === null && running.isPlain) return this.#emitPlain(running, batch);
    this.#advance(running, 0, batch.events);
  }

  /** Dead letters: to the sink at which they failed, or through all steps where it was a step. */
  emitAgain(running: RunningSource, batch: EventBatch, where: string): void {
    const sink = this.#parts.bySink.get(where);
    this.#opened(running, batch);
    if (sink === undefined) this.#advance(running, 0, batch.events);
    else this.#toSinks({ ...running, sinks: [sink] }, batch.events);
  }

  /** Events of any source, which a step let go later. */
  advanceFrom(step: RunningStep, events: readonly Event[]): void {
    let run: Event[] = [];
    for (const [i, event] of events.entries()) {
      run.push(event);
      const next = events[i + 1];
      if (next !== undefined && next.origin.source === event.origin.source) continue;
      const running = this.#parts.sourceOf(event);
      this.#advance(running, running.steps.indexOf(step) + 1, run);
      run = [];
    }
  }

  /** A step could not do its work on it. */
  stepRefused(event: Event, step: string, reason: string): void {
    this.#books.countsOf(event.origin.source).buffered += 1;
    this.trace?.note(event, step, "refused", reason);
    // One owner, the file of dead letters.
    event.pending = 1;
    this.#deadLetters.add(event, step, reason);
  }

  #opened(running: RunningSource, batch: EventBatch): void {
    const { count } = batch;
    running.counts.received += count;
    batch.owner = running;
    batch.open = count;
    running.openBatches += 1;
    running.openBytes += batch.sizeBytes;
  }

  /** No step reads it, and every sink gets all of it: there need be no objects. */
  #emitPlain(running: RunningSource, batch: EventBatch): void {
    const { count } = batch;
    running.counts.buffered += count;
    batch.pendingEach = running.sinks.length;
    if (batch.hasEvents) {
      for (const event of batch.events) {
        event.pending = running.sinks.length;
        if (running.hasDisk) event.slot = -1;
      }
    }
    for (const { counts, queue, disk } of running.sinks) {
      counts.received += count;
      (disk ?? queue).pushBatch(batch);
    }
    for (const { sink } of running.sinks) sink.wake();
  }

  /** Through the steps from the given one on, and to the sinks. */
  #advance(running: RunningSource, from: number, events: readonly Event[]): void {
    const { steps } = running;
    let left = events;
    for (let i = from; i < steps.length && left.length > 0; i += 1) {
      left = steps[i]!.apply(left as Event[]);
      if (this.trace !== null) {
        for (const event of left) this.trace.passed(event, steps[i]!.name);
      }
    }
    if (left.length > 0) this.#toSinks(running, left);
  }

  #toSinks(running: RunningSource, events: readonly Event[]): void {
    const { counts, sinks } = running;
    const each = sinks.map((sink) => wanted(sink, events));
    for (const some of each) for (const event of some) event.pending += 1;
    if (running.hasDisk) this.#openSlots(sinks, each);
    let ended = 0;
    for (const event of events) {
      if (event.pending > 0) continue;
      ended += 1;
      this.trace?.note(event, "sinks", "dropped", "no-sink");
      this.#books.drop(event, "no-sink");
    }
    counts.buffered += events.length - ended;
    for (const [i, sink] of sinks.entries()) {
      sink.counts.received += each[i]!.length;
      if (this.trace !== null) {
        const what = sink.disk?.isEager === true ? "to-disk" : "to-sink";
        for (const event of each[i]!) this.trace.note(event, sink.name, what);
      }
      (sink.disk ?? sink.queue).push(this.#letIn(sink, each[i]!));
    }
    for (const { sink } of sinks) sink.wake();
  }

  /** Events that have a copy on disk have their books elsewhere: they are acknowledged before. */
  #openSlots(sinks: readonly RunningSink[], each: readonly (readonly Event[])[]): void {
    for (const [i, sink] of sinks.entries()) {
      if (sink.disk?.isEager === true) this.#books.openSlots(each[i]!);
    }
  }

  /** Those that a sink's buffer has room for; the others are dropped, for this sink. */
  #letIn(sink: RunningSink, events: readonly Event[]): readonly Event[] {
    const { whenFull } = sink;
    const buffer = sink.disk ?? sink.queue;
    const { fill } = buffer;
    if (fill < LOWEST_SHED) return events;
    const isFull = whenFull !== "block" && buffer.isFull;
    const lowest = whenFull === "dropLowest";
    const kept: Event[] = [];
    for (const event of events) {
      const own = event.class;
      if (isFull) this.#sinkDropped(sink, event, `buffer-full:${sink.name}`);
      else if (own !== null && fill >= (lowest ? own.dropFrom : own.shedFrom)) {
        this.#sinkDropped(sink, event, `shed:${own.name}`);
      } else kept.push(event);
    }
    return kept;
  }

  #sinkDropped(sink: RunningSink, event: Event, reason: string): void {
    sink.counts.dropped += 1;
    this.trace?.note(event, sink.name, "dropped", reason);
    if (event.outcome === DELIVERED) event.outcome = reason;
    this.#books.settled([event]);
  }
}

function wanted({ route }: RunningSink, events: readonly Event[]): readonly Event[] {
  const { when } = route;
  return when === null ? events : events.filter((event) => when(event));
}
