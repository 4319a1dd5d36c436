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
import type { ComponentLists, Plan, Planned, PlannedSink, Route } from "./plan.ts";
import { planPipeline } from "./plan.ts";
import type { QueueOwner } from "./sink_queue.ts";
import { SinkQueue } from "./sink_queue.ts";
import { DiskBuffer } from "./buffer/disk_buffer.ts";
import { lettersPath } from "./letter_file.ts";
import { REPLAY_SOURCE, ReplayedLetters } from "./replayed_letters.ts";
import type { PipelineState } from "./state.ts";
import type { Trace } from "./trace.ts";
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
  readonly key: string;
  readonly counts: SourceCounts;
  steps: readonly RunningStep[];
  sinks: readonly RunningSink[];
  /** No step reads its events, and every sink gets all: its batches need no objects. */
  isPlain: boolean;
  hasDisk: boolean;
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
  readonly key: string;
  readonly counts: SinkCounts;
  readonly queue: SinkQueue;
  /** Null where it waits in memory only. */
  readonly disk: DiskBuffer | null;
  route: Route;
  readonly whenFull: "block" | "drop" | "dropLowest";
  readonly sink: Sink;
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
  #sinkCounts = new Map<string, SinkCounts>();
  /** Sinks that a change has taken away, and what their buffers still hold. */
  #retired = new Map<string, ReadonlyMap<string, number>>();
  #joins = new Joins();
  #epoch: string;
  #instance = "";
  /** Null unless somebody asked for one. */
  #trace: Trace | null = null;
  #replayed: ReplayedLetters;
  #sinks: RunningSink[] = [];
  #bySink = new Map<string, RunningSink>();
  #steps: RunningStep[] = [];
  #deadLetters: DeadLetters;
  /** By component and counter. */
  #counters = new Map<string, Map<string, number>>();
  #state: "new" | "running" | "changing" | "stopping" | "stopped" = "new";
  #awaited: { readonly condition: () => boolean; readonly end: () => void }[] = [];
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
    this.#epoch = Buffer.from(world.random.secureBytes(6)).toString("hex");
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
    this.#replayed = this.#addReplay();
  }

  get deadLettersPath(): string {
    return lettersPath(this.#folder);
  }

  /** From here on it is followed what happens to the next events; null ends it. */
  set trace(trace: Trace | null) {
    this.#trace = trace;
  }

  get trace(): Trace | null {
    return this.#trace;
  }

  /** Its own, below the state folder. */
  get folder(): string {
    return this.#folder;
  }

  /** Another hand has changed the file of dead letters, or what is to be sent again. */
  lettersChanged(): void {
    this.#deadLetters.reopen();
    if (this.#state === "running") this.#replayed.look();
  }

  /** @throws FileError where the state folder cannot be made or the checkpoint cannot be read. */
  start(): void {
    if (this.#state !== "new") throw new Error(`bug: pipeline ${this.name} was started twice`);
    this.#state = "running";
    for (const { disk } of this.#sinks) disk?.load();
    for (const { source } of this.#sources) source.start();
    this.#replayed.start();
  }

  /** Reads no more, gives the sinks their time, writes the checkpoints. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * Goes over to another version of its file, without losing an event: it is planned as a whole
   * first; sources and sinks that are the same stay as they are, connections and all; what was under
   * way goes the old way, at most `drainMs`; what an old sink could not deliver until then goes to
   * the new one of its name, or to the dead letters where there is none.
   *
   * @throws Failure `refused`; then nothing has changed.
   */
  async change(policy: PipelinePolicy, binding: PipelineBinding): Promise<void> {
    const plan = planPipeline(this.name, policy, binding, this.#options.components);
    if (this.#state !== "running") throw new Error(`bug: ${this.name} is changed while it stops`);
    this.#state = "changing";
    try {
      await this.#changeTo(plan);
    } finally {
      // A stop may have come in between.
      if (this.#state === "changing") this.#state = "running";
      this.#resumeAll();
    }
  }

  ledger(): Ledger {
    const sources = [...this.#counts]
      .filter(([name, { received }]) => name !== REPLAY_SOURCE || received > 0)
      .map(([name, counts]) => [name, counts.line()] as const);
    const sinks = [...this.#sinkCounts].map(([name, counts]) => {
      const { received, recovered, delivered, deadLettered, dropped, letters } = counts;
      const sink = this.#bySink.get(name);
      const own = sink === undefined ? 0 : (sink.disk ?? sink.queue).unsettled;
      const kept = [...(this.#retired.get(name)?.values() ?? [])];
      const buffered = kept.reduce((sum, n) => sum + n, own + letters);
      const line = { received, recovered, delivered, deadLettered, dropped, buffered };
      return [name, line] as const;
    });
    return { sources: Object.fromEntries(sources), sinks: Object.fromEntries(sinks) };
  }

  /** The books, and what moves. */
  state(): PipelineState {
    const sources = this.#sources.map(({ name, openBytes, isWaiting, source }) => {
      const lagBytes = source.lagBytes?.() ?? null;
      return [name, { inFlightBytes: openBytes, isWaiting, lagBytes }] as const;
    });
    const sinks = this.#sinks.map(({ name, queue, disk }) => {
      const { fill } = disk ?? queue;
      const diskBytes = disk === null ? null : disk.diskBytes;
      return [name, { waiting: queue.waiting, fill, oldestMs: queue.ageMs, diskBytes }] as const;
    });
    const counters = [...this.#counters].map(
      ([name, counts]) => [name, Object.fromEntries(counts)] as const,
    );
    return {
      ledger: this.ledger(),
      sources: Object.fromEntries(sources),
      sinks: Object.fromEntries(sinks),
      counters: Object.fromEntries(counters),
    };
  }

  /** Prometheus text. */
  metrics(): string {
    const counters = new Map(this.#counters);
    const failures = this.#deadLetters.writeFailures;
    if (failures > 0) counters.set("dead-letters", new Map([["write_failures", failures]]));
    return pipelineMetrics(this.name, this.state(), counters);
  }

  // -------------------------------------------------------------- building

  #build(policy: PipelinePolicy, binding: PipelineBinding): void {
    const plan = planPipeline(this.name, policy, binding, this.#options.components);
    const instance = this.#prepareFolder();
    this.#instance = instance;
    this.#nameOrphans(plan);
    for (const sink of plan.sinks) this.#addSink(sink);
    for (const step of plan.steps) this.#steps.push(new RunningStep(this.#stepHost(), step));
    for (const source of plan.sources) this.#addSource(source, instance);
  }

  /** Buffers of sinks that the file no longer has: nobody delivers them, so somebody has to know. */
  #nameOrphans({ sinks }: Plan): void {
    const { files } = this.#world;
    const folder = join(this.#folder, "buffers");
    if (files.stat(folder) === null) return;
    const known = new Set(
      sinks.filter(({ policy }) => policy.buffer?.disk !== undefined).map(({ name }) => name),
    );
    for (const entry of files.list(folder)) {
      const name = decodeURIComponent(entry);
      const path = join(folder, entry);
      if (known.has(name) || !files.list(path).some((file) => file.endsWith(".seg"))) continue;
      this.#count(name, "orphan_buffers", 1);
      this.#report(
        `${path} holds events of the sink ${name}, which has no buffer on disk in this file: they` +
          " are delivered when it has one again",
      );
    }
  }

  async #changeTo(plan: Plan): Promise<void> {
    const sinkKeys = new Map(plan.sinks.map((sink) => [sink.name, sink]));
    const sourceKeys = new Map(plan.sources.map((source) => [source.name, source]));
    const oldSources = this.#sources.filter(({ name, key }) => sourceKeys.get(name)?.key !== key);
    const oldSinks = this.#sinks.filter(({ name, key }) => sinkKeys.get(name)?.key !== key);
    for (const { source } of oldSources) source.stop();
    for (const step of this.#steps) step.flush();
    for (const { sink, disk } of oldSinks) {
      sink.drain();
      disk?.flush();
    }
    const isDone = ({ queue, disk, counts }: RunningSink): boolean =>
      counts.letters === 0 && (disk === null ? queue.unsettled === 0 : !disk.isUnwritten);
    const isOver = (): boolean =>
      oldSinks.every(isDone) && oldSources.every(({ openBatches }) => openBatches === 0);
    await this.#until(isOver);
    if (this.#state !== "changing") return;
    // What came in the meantime, from sources that do not wait.
    for (const step of this.#steps) step.flush();
    const left = new Map(oldSinks.map((sink) => [sink.name, this.#removeSink(sink)]));
    for (const step of this.#steps) step.close();
    for (const old of oldSources) {
      old.source.close();
      this.#sources.splice(this.#sources.indexOf(old), 1);
    }
    this.#steps = plan.steps.map((step) => new RunningStep(this.#stepHost(), step));
    const added = plan.sinks.flatMap((sink) => this.#keepOrAdd(sink));
    const bySink = new Map(this.#sinks.map((sink) => [sink.name, sink]));
    this.#sinks = plan.sinks.map(({ name }) => bySink.get(name)!);
    for (const running of this.#bySource.values()) Object.assign(running, this.#wayOf(running.name));
    const kept = new Set(this.#sources.map(({ name }) => name));
    const started = plan.sources
      .filter(({ name }) => !kept.has(name))
      .map((source) => this.#addSource(source, this.#instance));
    this.#takeOver(added, left);
    for (const { source } of started) source.start();
  }

  #keepOrAdd(planned: PlannedSink): RunningSink[] {
    const same = this.#bySink.get(planned.name);
    if (same === undefined) return [this.#addSink(planned)];
    same.route = planned.route;
    return [];
  }

  /** Returns what it has not delivered, and has in memory only. */
  #removeSink(running: RunningSink): readonly Event[] {
    const { name, sink, queue, disk } = running;
    sink.close();
    const left = disk === null ? queue.leftovers() : [];
    disk?.close();
    if (disk !== null && disk.unsettled > 0) {
      this.#retired.set(name, disk.unsettledBySource);
      const again = disk.isUnwritten ? "; some of them come again only after a start" : "";
      this.#report(`sink ${name}: its buffer on disk keeps ${disk.unsettled} events${again}`);
    }
    this.#sinks.splice(this.#sinks.indexOf(running), 1);
    this.#bySink.delete(name);
    return left;
  }

  #takeOver(added: readonly RunningSink[], left: ReadonlyMap<string, readonly Event[]>): void {
    for (const { name, queue, disk, sink } of added) {
      const events = left.get(name) ?? [];
      if (disk !== null) this.#openSlotsOf(events);
      (disk ?? queue).push(events);
      disk?.load();
      sink.wake();
    }
    for (const [name, events] of left) {
      if (this.#bySink.has(name)) continue;
      this.#sinkCounts.get(name)!.letters += events.length;
      for (const event of events) this.#deadLetters.add(event, name, "the sink was removed");
    }
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

  #addSink(planned: PlannedSink): RunningSink {
    const { name, policy, route, definition, config } = planned;
    const counts = this.#sinkCounts.get(name) ?? new SinkCounts();
    this.#sinkCounts.set(name, counts);
    const buffer = policy.buffer ?? DEFAULT_BUFFER;
    const report = (text: string): void => this.#report(`sink ${name}: ${text}`);
    const settling = {
      delivered: (events: readonly Event[]) => {
        counts.delivered += events.length;
        if (this.#trace !== null) {
          for (const event of events) this.#trace.note(event, name, "delivered");
        }
        this.#settled(events);
      },
      deliveredBatch: (batch: EventBatch) => {
        counts.delivered += batch.count;
        this.#settledBatch(batch);
      },
      refused: (event: Event, reason: string) => {
        counts.letters += 1;
        this.#trace?.note(event, name, "refused", reason);
        if (policy.onError !== "drop") return this.#deadLetters.add(event, name, reason);
        if (event.outcome === DELIVERED) event.outcome = reason;
        this.#sinkRefusalEnded(name, counts, event, false);
      },
      roomAgain: () => this.#resumeAll(),
    };
    const disk = buffer.disk === undefined ? null : this.#openDisk(planned, counts, settling);
    const queue = disk?.queue ?? new SinkQueue(this.#world.clock, buffer, settling, true);
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
    const { key } = planned;
    const running: RunningSink = { name, key, counts, queue, disk, route, whenFull, sink };
    this.#sinks.push(running);
    this.#bySink.set(name, running);
    return running;
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
        epoch: this.#epoch,
      },
      {
        ...settling,
        durable: (events) => this.#durable(events),
        durableBatch: (batch) => this.#batchEnded(batch),
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
    // In the books already, where this process has filled it and closed it for a change. What was
    // settled within a frame that is not settled as a whole comes again.
    const known = this.#retired.get(name);
    this.#retired.delete(name);
    for (const [source, found] of events) {
      const n = found - (known?.get(source) ?? 0);
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
      drop: (event, step, reason) => {
        this.#trace?.note(event, step, "dropped", reason);
        this.#dropEvent(event, reason);
      },
      refuse: (event, step, reason) => this.#stepRefused(event, step, reason),
      buffered: (event, step, change) => {
        if (change > 0) this.#trace?.note(event, step, "held");
        this.#source(event).counts.buffered += change;
      },
      replaced: (event, step) => {
        this.#trace?.note(event, step, "replaced");
        this.#source(event).counts.replaced += 1;
      },
      made: (event, step) => {
        this.#trace?.made(event, event.parents, step);
        this.#source(event).counts.made += 1;
      },
      end: (event) => this.#end(event),
      advance: (step, events) => this.#advanceFrom(step, events),
    };
  }

  get #filesFolder(): string {
    return this.#options.folder ?? this.#world.processes.self.folder;
  }

  #addSource(planned: Planned<SourceDefinition<unknown>>, instance: string): RunningSource {
    const { name, key, definition, config } = planned;
    const counts = this.#countsOf(name);
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
    const running: RunningSource = {
      name,
      key,
      counts,
      ...this.#wayOf(name),
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
    return running;
  }

  /** The steps and sinks of a source's events. */
  #wayOf(name: string): Pick<RunningSource, "steps" | "sinks" | "isPlain" | "hasDisk"> {
    const isFor = ({ route }: { readonly route: Route }): boolean =>
      name === REPLAY_SOURCE || (route.sources?.includes(name) ?? true);
    const steps = this.#steps.filter(isFor);
    const sinks = this.#sinks.filter(isFor);
    const hasDisk = sinks.some(({ disk }) => disk !== null);
    const isOne = sinks.length === 1 || (sinks.length > 0 && !hasDisk);
    return { steps, sinks, isPlain: steps.length === 0 && isOne && sinks.every(takesAll), hasDisk };
  }

  /** Dead letters that are sent again are a source of their own, which the file does not name. */
  #addReplay(): ReplayedLetters {
    const counts = this.#countsOf(REPLAY_SOURCE);
    const running: RunningSource = {
      name: REPLAY_SOURCE,
      key: "",
      counts,
      ...this.#wayOf(REPLAY_SOURCE),
      source: { start: () => {}, resume: () => {}, stop: () => {}, close: () => {} },
      openBatches: 0,
      openBytes: 0,
      isWaiting: false,
    };
    this.#replaySource = running;
    this.#bySource.set(REPLAY_SOURCE, running);
    const report = (text: string): void => this.#report(text);
    return new ReplayedLetters(
      this.#world,
      this.#folder,
      (batch, where) => this.#emitAgain(running, batch, where),
      report,
    );
  }

  /** To the sink at which it failed, or through all steps where it was a step. */
  #emitAgain(running: RunningSource, batch: EventBatch, where: string): void {
    const sink = this.#bySink.get(where);
    running.counts.received += batch.count;
    batch.owner = running;
    batch.open = batch.count;
    running.openBatches += 1;
    running.openBytes += batch.sizeBytes;
    if (sink === undefined) this.#advance(running, 0, batch.events);
    else this.#toSinks({ ...running, sinks: [sink] }, batch.events);
  }

  #replaySource: RunningSource | null = null;

  // -------------------------------------------------------------- the way of an event

  #emit(running: RunningSource, batch: EventBatch): void {
    const { count } = batch;
    running.counts.received += count;
    batch.owner = running;
    batch.open = count;
    running.openBatches += 1;
    running.openBytes += batch.sizeBytes;
    if (count === 0) return this.#batchEnded(batch);
    if (this.#trace !== null && !this.#trace.isFull) this.#trace.pick(batch.events);
    else if (this.#trace === null && running.isPlain) return this.#emitPlain(running, batch);
    this.#advance(running, 0, batch.events);
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
      if (this.#trace !== null) {
        for (const event of left) this.#trace.passed(event, steps[i]!.name);
      }
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
      this.#trace?.note(event, "sinks", "dropped", "no-sink");
      this.#dropEvent(event, "no-sink");
    }
    counts.buffered += events.length - ended;
    for (const [i, sink] of sinks.entries()) {
      sink.counts.received += each[i]!.length;
      if (this.#trace !== null) {
        const what = sink.disk === null ? "to-sink" : "to-disk";
        for (const event of each[i]!) this.#trace.note(event, sink.name, what);
      }
      (sink.disk ?? sink.queue).push(this.#letIn(sink, each[i]!));
    }
    for (const { sink } of sinks) sink.wake();
  }

  #openSlotsOf(events: readonly Event[]): void {
    for (const event of events) {
      if (event.slot !== 0) continue;
      event.slot = event.pending === 1 ? -1 : this.#joins.open(event.pending);
    }
  }

  /** Events that have a copy on disk have their books elsewhere: they are acknowledged before. */
  #openSlots(sinks: readonly RunningSink[], each: readonly (readonly Event[])[]): void {
    for (const [i, sink] of sinks.entries()) {
      if (sink.disk !== null) this.#openSlotsOf(each[i]!);
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
    for (const event of events) this.#trace?.note(event, sink.name, "dropped", reason);
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
    this.#trace?.note(event, step, "refused", reason);
    // One owner, the file of dead letters.
    event.pending = 1;
    this.#deadLetters.add(event, step, reason);
  }

  #letterEnded(event: Event, where: string, isKept: boolean): void {
    // In the dead letters of one sink, and lost to another: it can still be replayed.
    if (isKept) event.outcome = DEAD_LETTERED;
    else if (event.outcome !== DEAD_LETTERED) event.outcome = "dead-letters-full";
    const counts = this.#sinkCounts.get(where);
    if (counts === undefined) this.#settled([event]);
    else this.#sinkRefusalEnded(where, counts, event, isKept);
  }

  #sinkRefusalEnded(name: string, counts: SinkCounts, event: Event, isKept: boolean): void {
    counts.letters -= 1;
    if (isKept) counts.deadLettered += 1;
    else counts.dropped += 1;
    this.#bySink.get(name)?.disk?.ended(event);
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
    this.#batchEnded(batch);
    this.#look();
  }

  /** Whether a stop that waits can go on. */
  #look(): void {
    if (this.#awaited.length === 0) return;
    for (const one of [...this.#awaited]) if (one.condition()) one.end();
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
    if (batch.open === 0) this.#batchEnded(batch);
  }

  #batchEnded(batch: EventBatch): void {
    const running = batch.owner as RunningSource;
    batch.open = 0;
    running.openBatches -= 1;
    running.openBytes -= batch.sizeBytes;
    batch.done();
    this.#look();
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
    const wasRunning = this.#state === "running" || this.#state === "changing";
    this.#state = "stopping";
    if (wasRunning) {
      for (const { source } of this.#sources) source.stop();
      this.#replayed.stop();
      // In order: what one step lets go may be held by a later one.
      for (const step of this.#steps) step.flush();
      for (const { sink, disk } of this.#sinks) {
        sink.drain();
        disk?.flush();
      }
      this.#deadLetters.flush();
      if (!(await this.#until(() => this.#isEmpty()))) {
        const inMemory = this.#sinks.filter(({ disk }) => disk === null);
        const left = inMemory.reduce((sum, { queue }) => sum + queue.unsettled, 0);
        const again = "they come again after a start";
        this.#report(`stopped with ${left} events that no sink took; ${again}`);
      }
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

  /** False where it did not come true within `drainMs`. Looked at whenever something ended. */
  #until(condition: () => boolean): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (value: boolean): void => {
        this.#awaited = this.#awaited.filter((one) => one !== waiter);
        timer.cancel();
        resolve(value);
      };
      const waiter = { condition, end: () => end(true) };
      const boundMs = this.#options.drainMs ?? DEFAULT_DRAIN_MS;
      const timer: Timer = this.#world.clock.after(boundMs, () => end(false));
      this.#awaited.push(waiter);
    });
  }

  #isEmpty(): boolean {
    if (this.#deadLetters.pending > 0) return false;
    if (this.#replaySource !== null && this.#replaySource.openBatches > 0) return false;
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
