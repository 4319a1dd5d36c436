import { join } from "node:path";
import type { BufferPolicy, PipelineBinding, PipelinePolicy } from "../api/snapshot.ts";
import { DEAD_LETTERED, DELIVERED, DerivedEvent } from "../api/event.ts";
import type { Event } from "../api/event.ts";
import type { Timer, World } from "../base/world.ts";
import { FileError } from "../base/world.ts";
import type { HttpPost, Sink, Source, SourceDefinition } from "./component.ts";
import { DeadLetters } from "./dead_letters.ts";
import type { EventBatch } from "./event_batch.ts";
import type { Ledger } from "./ledger.ts";
import { SinkCounts, SourceCounts } from "./ledger.ts";
import { pipelineMetrics } from "./metrics.ts";
import type { ComponentLists, Planned, PlannedSink, Route } from "./plan.ts";
import { planPipeline } from "./plan.ts";
import type { QueueOwner } from "./sink_queue.ts";
import { SinkQueue } from "./sink_queue.ts";
import { DiskBuffer } from "./buffer/disk_buffer.ts";
import { Joins } from "./buffer/joins.ts";
import { Frame, StoredEvent } from "./buffer/stored_event.ts";
import { RunningStep } from "./step.ts";
import type { StepHost } from "./step.ts";

export interface PipelineOptions {
  /** Where the Pipeline file lies: its relative file names are below it. The program's without. */
  readonly folder?: string;
  /** All there are if not given; tests bring their own. */
  readonly components?: ComponentLists;
  /** For sinks that speak HTTP. */
  readonly post?: HttpPost;
  /** A line for people, without the pipeline's name: what waits, fails or works again. */
  readonly report?: (line: string) => void;
  /** How long `stop` waits for sinks; 5 s if not given. What is left comes again after a start. */
  readonly drainMs?: number;
  /** Bytes of one source that are read and not acknowledged; 16 MiB if not given. */
  readonly maxInFlightBytes?: number;
  /** Bound of the file of dead letters; 100 MiB if not given. */
  readonly maxDeadLetterBytes?: number;
}

const DEFAULT_BUFFER: BufferPolicy = { maxEvents: 20_000, maxBytes: 16 * 1024 * 1024 };
const DEFAULT_IN_FLIGHT_BYTES = 16 * 1024 * 1024;
const DEFAULT_DEAD_LETTER_BYTES = 100 * 1024 * 1024;
/** No class is shed while a buffer is less full than that. */
const LOWEST_SHED = 0.5;
const MAX_PENDING_LETTERS = 10_000;
const DEFAULT_DRAIN_MS = 5000;

interface RunningSource {
  readonly name: string;
  readonly counts: SourceCounts;
  readonly steps: readonly RunningStep[];
  readonly sinks: readonly RunningSink[];
  /** No step reads its events, and every sink gets all: its batches need no objects. */
  readonly isPlain: boolean;
  readonly hasDisk: boolean;
  source: Source;
  /** Batches that are not acknowledged. */
  openBatches: number;
  /** Bytes of batches that have an open event. */
  openBytes: number;
  /** It was told to wait. */
  isWaiting: boolean;
}

interface RunningSink {
  readonly name: string;
  readonly counts: SinkCounts;
  readonly queue: SinkQueue;
  /** Null where it waits in memory only. */
  readonly disk: DiskBuffer | null;
  readonly route: Route;
  readonly whenFull: "block" | "drop" | "dropLowest";
  /** Refused, and not in the file of dead letters yet. */
  letters: number;
  sink: Sink;
}

/**
 * One pipeline: sources, steps, sinks, and the books. An event is acknowledged to its source when
 * every sink that it is for took it, or it lies in the dead letters, or a step dropped it with a
 * reason. All state is here, in one process; what must outlive it is below `stateFolder`.
 */
export class PipelineRunner {
  #world: World;
  #options: PipelineOptions;
  #folder: string;
  #sources: RunningSource[] = [];
  #bySource = new Map<string, RunningSource>();
  #counts = new Map<string, SourceCounts>();
  #joins = new Joins();
  #sinks: RunningSink[] = [];
  #bySink = new Map<string, RunningSink>();
  #steps: RunningStep[] = [];
  #deadLetters: DeadLetters;
  /** By component and counter. */
  #counters = new Map<string, Map<string, number>>();
  #state: "new" | "running" | "stopping" | "stopped" = "new";
  #drained: (() => void) | null = null;
  #stopping: Promise<void> | null = null;

  /**
   * @throws Failure `refused` where the policy names what is not there or a config is invalid: all
   *   problems in one message.
   */
  constructor(
    world: World,
    readonly name: string,
    policy: PipelinePolicy,
    binding: PipelineBinding,
    stateFolder: string,
    options: PipelineOptions = {},
  ) {
    this.#world = world;
    this.#options = options;
    this.#folder = join(stateFolder, "pipelines", encodeURIComponent(name));
    this.#deadLetters = new DeadLetters(
      world,
      {
        path: this.deadLettersPath,
        maxBytes: options.maxDeadLetterBytes ?? DEFAULT_DEAD_LETTER_BYTES,
        maxPending: MAX_PENDING_LETTERS,
      },
      {
        kept: (event, where) => this.#letterEnded(event, where, true),
        overflowed: (event, where) => this.#letterEnded(event, where, false),
        roomAgain: () => this.#resumeAll(),
      },
      (text) => this.#report(text),
    );
    this.#build(policy, binding);
  }

  get deadLettersPath(): string {
    return join(this.#folder, "dead-letters.jsonl");
  }

  /** @throws FileError where the state folder cannot be made or the checkpoint cannot be read. */
  start(): void {
    if (this.#state !== "new") throw new Error(`bug: pipeline ${this.name} was started twice`);
    this.#state = "running";
    for (const { disk } of this.#sinks) disk?.load();
    for (const { source } of this.#sources) source.start();
  }

  /** Reads no more, gives the sinks their time, writes the checkpoints. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  ledger(): Ledger {
    const sources = [...this.#counts].map(([name, counts]) => [name, counts.line()] as const);
    const sinks = this.#sinks.map(({ name, counts, queue, disk, letters }) => {
      const { received, recovered, delivered, deadLettered, dropped } = counts;
      const buffered = (disk ?? queue).unsettled + letters;
      const line = { received, recovered, delivered, deadLettered, dropped, buffered };
      return [name, line] as const;
    });
    return { sources: Object.fromEntries(sources), sinks: Object.fromEntries(sinks) };
  }

  /** Prometheus text. */
  metrics(): string {
    const counters = new Map(this.#counters);
    const failures = this.#deadLetters.writeFailures;
    if (failures > 0) counters.set("dead-letters", new Map([["write_failures", failures]]));
    return pipelineMetrics(this.name, this.ledger(), counters);
  }

  // -------------------------------------------------------------- building

  #build(policy: PipelinePolicy, binding: PipelineBinding): void {
    const plan = planPipeline(this.name, policy, binding, this.#options.components);
    const instance = this.#prepareFolder();
    for (const sink of plan.sinks) this.#addSink(sink);
    for (const step of plan.steps) this.#steps.push(new RunningStep(this.#stepHost(), step));
    for (const source of plan.sources) this.#addSource(source, instance);
  }

  #prepareFolder(): string {
    const { files, random } = this.#world;
    files.makeFolder(this.#folder, { mode: 0o700 });
    const path = join(this.#folder, "instance");
    try {
      const kept = files.readText(path).trim();
      if (/^[0-9a-f]{12}$/.test(kept)) return kept;
    } catch (error) {
      if (!(error instanceof FileError) || error.code !== "not-found") throw error;
    }
    const instance = Buffer.from(random.secureBytes(6)).toString("hex");
    try {
      files.replace(path, `${instance}\n`, { mode: 0o600 });
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#report(`${error.message}; documents may come twice after a restart`);
    }
    return instance;
  }

  #addSink(planned: PlannedSink): void {
    const { name, policy, route, definition, config } = planned;
    const counts = new SinkCounts();
    const buffer = policy.buffer ?? DEFAULT_BUFFER;
    const report = (text: string): void => this.#report(`sink ${name}: ${text}`);
    const settling = {
      delivered: (events: readonly Event[]) => {
        counts.delivered += events.length;
        this.#settled(events);
      },
      deliveredBatch: (batch: EventBatch) => {
        counts.delivered += batch.count;
        this.#settledBatch(batch);
      },
      refused: (event: Event, reason: string) => {
        running.letters += 1;
        if (policy.onError !== "drop") return this.#deadLetters.add(event, name, reason);
        if (event.outcome === DELIVERED) event.outcome = reason;
        this.#sinkRefusalEnded(running, event, false);
      },
      roomAgain: () => this.#resumeAll(),
    };
    const disk = buffer.disk === undefined ? null : this.#openDisk(planned, counts, settling);
    const queue = disk?.queue ?? new SinkQueue(this.#world.clock, buffer, settling);
    const sink = definition.create(config, {
      world: this.#world,
      name,
      folder: this.#filesFolder,
      queue,
      report,
      count: (counter, n = 1) => this.#count(name, counter, n),
      post: this.#options.post ?? null,
    });
    const whenFull = buffer.whenFull ?? "block";
    const running: RunningSink = { name, counts, queue, disk, route, whenFull, letters: 0, sink };
    this.#sinks.push(running);
    this.#bySink.set(name, running);
  }

  /** What an earlier process left in it is in the books from here on. */
  #openDisk(planned: PlannedSink, counts: SinkCounts, settling: QueueOwner): DiskBuffer {
    const { name, policy } = planned;
    const buffer = policy.buffer!;
    const { maxEvents, maxBytes } = buffer;
    const disk = new DiskBuffer(
      this.#world,
      {
        folder: join(this.#folder, "buffers", encodeURIComponent(name)),
        maxBytes: buffer.disk!,
        fsync: buffer.fsync ?? "interval",
        memory: { maxEvents, maxBytes },
      },
      {
        ...settling,
        durable: (events) => this.#durable(events),
        durableBatch: (batch) => this.#batchEnded(this.#bySource.get(batch.source)!, batch),
        lost: (source, n) => {
          counts.dropped += n;
          const lost = this.#countsOf(source);
          lost.buffered -= n;
          lost.drop("buffer-damaged", n);
        },
        loaded: () => this.#bySink.get(name)?.sink.wake(),
      },
      (text) => this.#report(`sink ${name}: ${text}`),
    );
    const { events, truncatedTails, damagedFrames, orphans } = disk.open();
    for (const [source, n] of events) {
      counts.recovered += n;
      this.#countsOf(source).recovered += n;
      this.#countsOf(source).buffered += n;
    }
    const found = { truncated_tails: truncatedTails, damaged_frames: damagedFrames, orphans };
    for (const [counter, n] of Object.entries(found)) if (n > 0) this.#count(name, counter, n);
    return disk;
  }

  #stepHost(): StepHost {
    return {
      world: this.#world,
      folder: this.#filesFolder,
      report: (text) => this.#report(text),
      count: (component, counter, n) => this.#count(component, counter, n),
      drop: (event, reason) => this.#dropEvent(event, reason),
      refuse: (event, step, reason) => this.#stepRefused(event, step, reason),
      buffered: (event, change) => void (this.#source(event).counts.buffered += change),
      replaced: (event) => void (this.#source(event).counts.replaced += 1),
      made: (event) => void (this.#source(event).counts.made += 1),
      end: (event) => this.#end(event),
      advance: (step, events) => this.#advanceFrom(step, events),
    };
  }

  get #filesFolder(): string {
    return this.#options.folder ?? this.#world.processes.self.folder;
  }

  #addSource(
    { name, definition, config }: Planned<SourceDefinition<unknown>>,
    instance: string,
  ): void {
    const counts = this.#countsOf(name);
    const isFor = ({ route }: { readonly route: Route }): boolean =>
      route.sources?.includes(name) ?? true;
    const runner = this;
    const output = {
      get ready(): boolean {
        return runner.#isReady(running);
      },
      emit: (batch: EventBatch) => this.#emit(running, batch),
      drop: (count: number, reason: string) => {
        counts.received += count;
        counts.drop(reason, count);
      },
    };
    const steps = this.#steps.filter(isFor);
    const sinks = this.#sinks.filter(isFor);
    const hasDisk = sinks.some(({ disk }) => disk !== null);
    const running: RunningSource = {
      name,
      counts,
      steps,
      sinks,
      isPlain: steps.length === 0 && sinks.length > 0 && sinks.every(takesAll) &&
        (!hasDisk || sinks.length === 1),
      hasDisk,
      source: null as unknown as Source,
      openBatches: 0,
      openBytes: 0,
      isWaiting: false,
    };
    running.source = definition.create(config, {
      world: this.#world,
      name,
      folder: this.#filesFolder,
      stateFolder: this.#folder,
      instance,
      output,
      report: (text) => this.#report(`source ${name}: ${text}`),
      count: (counter, n = 1) => this.#count(name, counter, n),
    });
    this.#sources.push(running);
    this.#bySource.set(name, running);
  }

  // -------------------------------------------------------------- the way of an event

  #emit(running: RunningSource, batch: EventBatch): void {
    const { count } = batch;
    running.counts.received += count;
    batch.open = count;
    running.openBatches += 1;
    running.openBytes += batch.sizeBytes;
    if (!running.isPlain) return this.#advance(running, 0, batch.events);
    if (count === 0) return this.#batchEnded(running, batch);
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
    }
    if (left.length > 0) this.#toSinks(running, left);
  }

  /** Events of any source, which a step let go later. */
  #advanceFrom(step: RunningStep, events: readonly Event[]): void {
    let run: Event[] = [];
    for (const [i, event] of events.entries()) {
      run.push(event);
      const next = events[i + 1];
      if (next !== undefined && next.origin.source === event.origin.source) continue;
      const running = this.#source(event);
      this.#advance(running, running.steps.indexOf(step) + 1, run);
      run = [];
    }
  }

  #toSinks(running: RunningSource, events: readonly Event[]): void {
    const { counts, sinks } = running;
    const each = sinks.map((sink) => this.#wanted(sink, events));
    for (const wanted of each) for (const event of wanted) event.pending += 1;
    if (running.hasDisk) this.#openSlots(sinks, each);
    let ended = 0;
    for (const event of events) {
      if (event.pending > 0) continue;
      ended += 1;
      this.#dropEvent(event, "no-sink");
    }
    counts.buffered += events.length - ended;
    for (const [i, sink] of sinks.entries()) {
      sink.counts.received += each[i]!.length;
      (sink.disk ?? sink.queue).push(this.#letIn(sink, each[i]!));
    }
    for (const { sink } of sinks) sink.wake();
  }

  /** Events that have a copy on disk have their books elsewhere: they are acknowledged before. */
  #openSlots(sinks: readonly RunningSink[], each: readonly (readonly Event[])[]): void {
    for (const [i, sink] of sinks.entries()) {
      if (sink.disk === null) continue;
      for (const event of each[i]!) {
        if (event.slot !== 0) continue;
        event.slot = event.pending === 1 ? -1 : this.#joins.open(event.pending);
      }
    }
  }

  #wanted({ route }: RunningSink, events: readonly Event[]): readonly Event[] {
    const { when } = route;
    return when === null ? events : events.filter((event) => when(event));
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
      if (isFull) this.#sinkDropped(sink, [event], `buffer-full:${sink.name}`);
      else if (own !== null && fill >= (lowest ? own.dropFrom : own.shedFrom)) {
        this.#sinkDropped(sink, [event], `shed:${own.name}`);
      } else kept.push(event);
    }
    return kept;
  }

  #sinkDropped(sink: RunningSink, events: readonly Event[], reason: string): void {
    sink.counts.dropped += events.length;
    for (const event of events) if (event.outcome === DELIVERED) event.outcome = reason;
    this.#settled(events);
  }

  #dropEvent(event: Event, reason: string): void {
    event.outcome = reason;
    this.#source(event).counts.drop(reason);
    this.#end(event);
  }

  #stepRefused(event: Event, step: string, reason: string): void {
    this.#source(event).counts.buffered += 1;
    // One owner, the file of dead letters.
    event.pending = 1;
    this.#deadLetters.add(event, step, reason);
  }

  #letterEnded(event: Event, where: string, isKept: boolean): void {
    // In the dead letters of one sink, and lost to another: it can still be replayed.
    if (isKept) event.outcome = DEAD_LETTERED;
    else if (event.outcome !== DEAD_LETTERED) event.outcome = "dead-letters-full";
    const sink = this.#bySink.get(where);
    if (sink === undefined) this.#settled([event]);
    else this.#sinkRefusalEnded(sink, event, isKept);
  }

  #sinkRefusalEnded(sink: RunningSink, event: Event, isKept: boolean): void {
    sink.letters -= 1;
    if (isKept) sink.counts.deadLettered += 1;
    else sink.counts.dropped += 1;
    sink.disk?.ended(event);
    this.#settled([event]);
  }

  /** One of the event's owners has done with it. */
  #settled(events: readonly Event[]): void {
    for (const event of events) {
      if (event.slot !== 0) {
        this.#settledCopy(event);
        continue;
      }
      event.pending -= 1;
      if (event.pending > 0) continue;
      this.#book(this.#countsOf(event.origin.source), event.outcome);
      this.#end(event);
    }
    this.#look();
  }

  /** Of an event that has a copy on disk; this may be that copy. */
  #settledCopy(event: Event): void {
    const { slot, outcome } = event;
    const whole = slot === -1 ? outcome : this.#joins.settle(slot, outcome);
    if (whole !== null) this.#book(this.#countsOf(event.origin.source), whole);
    if (!(event instanceof StoredEvent)) this.#durable([event]);
  }

  /** One of its owners is safe without the source. */
  #durable(events: readonly Event[]): void {
    for (const event of events) {
      event.pending -= 1;
      if (event.pending === 0) this.#end(event);
    }
    this.#look();
  }

  #book(counts: SourceCounts, outcome: string): void {
    counts.buffered -= 1;
    if (outcome === DELIVERED) counts.delivered += 1;
    else if (outcome === DEAD_LETTERED) counts.deadLettered += 1;
    else counts.drop(outcome);
  }

  /** One of its owners took all events of a batch. */
  #settledBatch(batch: EventBatch): void {
    if (batch.hasEvents) return this.#settled(batch.events);
    const counts = this.#countsOf(batch.source);
    if (batch instanceof Frame) {
      counts.buffered -= batch.count;
      counts.delivered += batch.count;
      return this.#look();
    }
    batch.pendingEach -= 1;
    if (batch.pendingEach > 0) return;
    counts.buffered -= batch.open;
    counts.delivered += batch.open;
    this.#batchEnded(this.#bySource.get(batch.source)!, batch);
    this.#look();
  }

  /** Whether a stop that waits can go on. */
  #look(): void {
    if (this.#drained !== null && this.#isEmpty()) this.#drained();
  }

  #end(event: Event): void {
    event.pending = -1;
    if (event instanceof DerivedEvent) {
      for (const parent of event.parents) {
        parent.pending -= 1;
        if (parent.pending === 0) this.#end(parent);
      }
      return;
    }
    // Every origin in a pipeline is a batch that `#emit` got.
    const batch = event.origin as EventBatch;
    batch.open -= 1;
    if (batch.open === 0) this.#batchEnded(this.#source(event), batch);
  }

  #batchEnded(running: RunningSource, batch: EventBatch): void {
    batch.open = 0;
    running.openBatches -= 1;
    running.openBytes -= batch.sizeBytes;
    batch.done();
    if (running.isWaiting) this.#resume(running);
  }

  /** Also of a source that is in a buffer on disk and no longer in the file. */
  #countsOf(source: string): SourceCounts {
    if (this.#lastCounts?.source === source) return this.#lastCounts.counts;
    let counts = this.#counts.get(source);
    if (counts === undefined) this.#counts.set(source, (counts = new SourceCounts()));
    this.#lastCounts = { source, counts };
    return counts;
  }

  #lastCounts: { readonly source: string; readonly counts: SourceCounts } | null = null;

  #source(event: Event): RunningSource {
    const { source } = event.origin;
    // Events come in runs of one source.
    if (this.#lastSource?.name !== source) this.#lastSource = this.#bySource.get(source)!;
    return this.#lastSource!;
  }

  #lastSource: RunningSource | null = null;

  // -------------------------------------------------------------- backpressure

  #isReady(running: RunningSource): boolean {
    const ready = this.#state === "running" && this.#hasRoom(running, 1);
    if (!ready) running.isWaiting = true;
    return ready;
  }

  #hasRoom(running: RunningSource, share: number): boolean {
    const bound = this.#options.maxInFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES;
    if (running.openBytes >= bound * share || this.#deadLetters.isFull) return false;
    return running.sinks.every(
      ({ queue, disk, whenFull }) => whenFull !== "block" || !(disk ?? queue).isFull,
    );
  }

  /** At half of the bound, so that the source goes on in large pieces. */
  #resume(running: RunningSource): void {
    if (this.#state !== "running" || !this.#hasRoom(running, 0.5)) return;
    running.isWaiting = false;
    running.source.resume();
  }

  #resumeAll(): void {
    for (const running of this.#sources) {
      if (running.isWaiting) this.#resume(running);
    }
  }

  // -------------------------------------------------------------- the end

  async #stop(): Promise<void> {
    const wasRunning = this.#state === "running";
    this.#state = "stopping";
    if (wasRunning) {
      for (const { source } of this.#sources) source.stop();
      // In order: what one step lets go may be held by a later one.
      for (const step of this.#steps) step.flush();
      for (const { sink, disk } of this.#sinks) {
        sink.drain();
        disk?.flush();
      }
      this.#deadLetters.flush();
      if (!this.#isEmpty()) await this.#wait(this.#options.drainMs ?? DEFAULT_DRAIN_MS);
    }
    for (const step of this.#steps) step.close();
    for (const { sink, disk } of this.#sinks) {
      sink.close();
      disk?.close();
    }
    if (wasRunning) for (const { source } of this.#sources) source.close();
    this.#deadLetters.close();
    this.#state = "stopped";
  }

  #wait(boundMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#world.clock.after(boundMs, () => {
        this.#drained = null;
        const inMemory = this.#sinks.filter(({ disk }) => disk === null);
        const left = inMemory.reduce((sum, { queue }) => sum + queue.unsettled, 0);
        const again = "they come again after a start";
        this.#report(`stopped with ${left} events that no sink took; ${again}`);
        resolve();
      });
      this.#drained = () => {
        this.#drained = null;
        timer.cancel();
        resolve();
      };
    });
  }

  #isEmpty(): boolean {
    if (this.#deadLetters.pending > 0) return false;
    return this.#sources.every(({ openBatches }) => openBatches === 0);
  }

  #report(text: string): void {
    this.#options.report?.(text);
  }

  #count(component: string, counter: string, n: number): void {
    let counters = this.#counters.get(component);
    if (counters === undefined) this.#counters.set(component, (counters = new Map()));
    counters.set(counter, (counters.get(counter) ?? 0) + n);
  }
}

/** Every event of its sources; none is turned away at its door. */
function takesAll({ route, whenFull }: RunningSink): boolean {
  return route.when === null && whenFull === "block";
}
