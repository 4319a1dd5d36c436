import { join } from "node:path";
import type { BufferPolicy } from "../api/snapshot.ts";
import { DELIVERED } from "../api/event.ts";
import type { Event } from "../api/event.ts";
import type { World } from "../base/world.ts";
import { FileError } from "../base/world.ts";
import type { Backpressure } from "./backpressure.ts";
import type { Books } from "./books.ts";
import { DiskBuffer } from "./buffer/disk_buffer.ts";
import { OverflowBuffer } from "./buffer/overflow_buffer.ts";
import type { HttpPost, Report, Source, SourceDefinition } from "./component.ts";
import type { DeadLetters } from "./dead_letters.ts";
import type { EventBatch } from "./event_batch.ts";
import type { EventWay } from "./event_way.ts";
import type { Parts, RunningSink, RunningSource } from "./parts.ts";
import type { Plan, Planned, PlannedSink, PlannedStep } from "./plan.ts";
import { REPLAY_SOURCE, ReplayedLetters } from "./replayed_letters.ts";
import type { QueueOwner } from "./sink_queue.ts";
import { SinkQueue } from "./sink_queue.ts";
import { RunningStep } from "./step.ts";
import type { StepHost } from "./step.ts";

const DEFAULT_BUFFER: BufferPolicy = { maxEvents: 20_000, maxBytes: 16 * 1024 * 1024 };

export interface AssemblyOptions {
  /** The pipeline's name. */
  readonly name: string;
  /** The pipeline's own, below the state folder. */
  readonly stateFolder: string;
  /** Relative file names of configs are below it. */
  readonly filesFolder: string;
  readonly post: HttpPost | null;
  /** What may wait on disk for a sink that does not say how much. */
  readonly maxOverflowBytes: number;
  /** No source will read again. */
  readonly onOver: () => void;
}

/** Makes sources, steps and sinks of what was planned, and connects them with the pipeline. */
export class Assembly {
  #world: World;
  #options: AssemblyOptions;
  #parts: Parts;
  #books: Books;
  #way: EventWay;
  #backpressure: Backpressure;
  #deadLetters: DeadLetters;
  #report: Report;
  /** Names this state folder among all. */
  #instance: string;
  /** Names this process among all. */
  #epoch: string;

  /** @throws FileError where the folder cannot be made. */
  constructor(
    world: World,
    options: AssemblyOptions,
    parts: Parts,
    books: Books,
    way: EventWay,
    backpressure: Backpressure,
    deadLetters: DeadLetters,
    report: Report,
  ) {
    this.#world = world;
    this.#options = options;
    this.#parts = parts;
    this.#books = books;
    this.#way = way;
    this.#backpressure = backpressure;
    this.#deadLetters = deadLetters;
    this.#report = report;
    this.#epoch = Buffer.from(world.random.secureBytes(6)).toString("hex");
    this.#instance = this.#readInstance();
  }

  /** Buffers of sinks that the file no longer has: nobody delivers them, so somebody has to know. */
  nameOrphans({ sinks }: Plan): void {
    const { files } = this.#world;
    const folder = this.#buffersFolder;
    if (files.stat(folder) === null) return;
    const known = new Set(
      sinks.filter((sink) => this.#usesDisk(sink)).map(({ name }) => name),
    );
    for (const entry of files.list(folder)) {
      const name = decodeURIComponent(entry);
      const path = join(folder, entry);
      if (known.has(name) || !files.list(path).some((file) => file.endsWith(".seg"))) continue;
      this.#books.count(name, "orphan_buffers", 1);
      this.#report(
        `${path} holds events of the sink ${name}, which has no buffer on disk in this file: they` +
          " are delivered when it has one again",
      );
    }
  }

  // -------------------------------------------------------------- sinks

  /** What an earlier process left in its buffer is in the books from here on. */
  addSink(planned: PlannedSink): RunningSink {
    const { name, key, policy, route, definition, config } = planned;
    const counts = this.#books.sinkCountsOf(name);
    const buffer = policy.buffer ?? DEFAULT_BUFFER;
    const owner = this.#ownerOf(planned);
    const disk = this.#usesDisk(planned) ? this.#openDisk(planned, owner) : null;
    const queue = disk?.queue ?? new SinkQueue(this.#world.clock, buffer, owner, true);
    const sink = definition.create(config, {
      world: this.#world,
      pipeline: this.#options.name,
      name,
      folder: this.#options.filesFolder,
      queue,
      report: (text) => this.#report(`sink ${name}: ${text}`),
      count: (counter, n = 1) => this.#books.count(name, counter, n),
      post: this.#options.post,
    });
    const whenFull = buffer.whenFull ?? "block";
    const running: RunningSink = { name, key, counts, queue, disk, route, whenFull, sink };
    this.#parts.addSink(running);
    return running;
  }

  /** What becomes of the events of a sink's queue. */
  #ownerOf({ name, policy }: PlannedSink): QueueOwner {
    const counts = this.#books.sinkCountsOf(name);
    const way = this.#way;
    return {
      delivered: (events) => {
        counts.delivered += events.length;
        if (way.trace !== null) {
          for (const event of events) way.trace.note(event, name, "delivered");
        }
        this.#books.settled(events);
      },
      deliveredBatch: (batch) => {
        counts.delivered += batch.count;
        this.#books.settledBatch(batch);
      },
      refused: (event: Event, reason: string) => {
        counts.letters += 1;
        way.trace?.note(event, name, "refused", reason);
        if (policy.onError !== "drop") return this.#deadLetters.add(event, name, reason);
        if (event.outcome === DELIVERED) event.outcome = reason;
        this.#books.refusalEnded(name, event, false);
      },
      roomAgain: () => this.#backpressure.resumeAll(),
    };
  }

  #openDisk({ name, policy }: PlannedSink, owner: QueueOwner): DiskBuffer | OverflowBuffer {
    const { disk: maxDiskBytes, maxEvents, maxBytes, fsync } = policy.buffer ?? DEFAULT_BUFFER;
    const options = {
      folder: this.#bufferFolder(name),
      maxBytes: maxDiskBytes ?? this.#options.maxOverflowBytes,
      fsync: fsync ?? "interval",
      memory: { maxEvents, maxBytes },
      epoch: this.#epoch,
    };
    const report = (text: string): void => this.#report(`sink ${name}: ${text}`);
    const told = {
      ...owner,
      durable: (events: readonly Event[]) => this.#books.durable(events),
      durableBatch: (batch: EventBatch) => this.#books.batchEnded(batch),
      lost: (source: string, n: number) => this.#books.lost(name, source, n),
      loaded: () => this.#parts.bySink.get(name)?.sink.wake(),
      openSlots: (events: readonly Event[]) => this.#books.openSlots(events),
      overflowed: (n: number) => this.#books.count(name, "overflowed_events", n),
    };
    const disk =
      maxDiskBytes === undefined
        ? new OverflowBuffer(this.#world, options, told, report)
        : new DiskBuffer(this.#world, options, told, report);
    const { events, truncatedTails, damagedFrames, orphans } = disk.open();
    this.#books.recovered(name, events);
    const found = { truncated_tails: truncatedTails, damaged_frames: damagedFrames, orphans };
    for (const [counter, n] of Object.entries(found)) {
      if (n > 0) this.#books.count(name, counter, n);
    }
    return disk;
  }

  /** Also a sink that no longer overflows, as one alone, and has left something on disk. */
  #usesDisk({ name, policy, overflows, definition }: PlannedSink): boolean {
    if (overflows || policy.buffer?.disk !== undefined) return true;
    if (definition.isRemote !== true || policy.buffer?.whenFull !== undefined) return false;
    const { files } = this.#world;
    const folder = this.#bufferFolder(name);
    return files.stat(folder) !== null && files.list(folder).some((file) => file.endsWith(".seg"));
  }

  #bufferFolder(sink: string): string {
    return join(this.#buffersFolder, encodeURIComponent(sink));
  }

  get #buffersFolder(): string {
    return join(this.#options.stateFolder, "buffers");
  }

  // -------------------------------------------------------------- steps

  newStep(planned: PlannedStep): RunningStep {
    return new RunningStep(this.#stepHost(), planned);
  }

  #stepHost(): StepHost {
    const books = this.#books;
    const way = this.#way;
    const countsOf = (event: Event) => books.countsOf(event.origin.source);
    return {
      world: this.#world,
      folder: this.#options.filesFolder,
      report: this.#report,
      count: (component, counter, n) => books.count(component, counter, n),
      drop: (event, step, reason) => {
        way.trace?.note(event, step, "dropped", reason);
        books.drop(event, reason);
      },
      refuse: (event, step, reason) => way.stepRefused(event, step, reason),
      buffered: (event, step, change) => {
        if (change > 0) way.trace?.note(event, step, "held");
        countsOf(event).buffered += change;
      },
      replaced: (event, step) => {
        way.trace?.note(event, step, "replaced");
        countsOf(event).replaced += 1;
      },
      made: (event, step) => {
        way.trace?.made(event, event.parents, step);
        countsOf(event).made += 1;
      },
      end: (event) => books.end(event),
      advance: (step, events) => way.advanceFrom(step, events),
    };
  }

  // -------------------------------------------------------------- sources

  addSource(planned: Planned<SourceDefinition<unknown>>): RunningSource {
    const { name, key, definition, config } = planned;
    const running = this.#newSource(name, definition.name, key);
    const { counts } = running;
    const backpressure = this.#backpressure;
    const output = {
      get ready(): boolean {
        return backpressure.isReady(running);
      },
      emit: (batch: EventBatch) => this.#way.emit(running, batch),
      drop: (count: number, reason: string) => {
        counts.received += count;
        counts.drop(reason, count);
      },
    };
    running.source = definition.create(config, {
      world: this.#world,
      name,
      folder: this.#options.filesFolder,
      stateFolder: this.#options.stateFolder,
      instance: this.#instance,
      output,
      report: (text) => this.#report(`source ${name}: ${text}`),
      count: (counter, n = 1) => this.#books.count(name, counter, n),
      ended: () => {
        running.isOver = true;
        if (this.#parts.sources.every(({ isOver }) => isOver)) this.#options.onOver();
      },
    });
    this.#parts.addSource(running);
    return running;
  }

  /** Dead letters that are sent again are a source of their own, which the file does not name. */
  addReplay(): ReplayedLetters {
    const running = this.#newSource(REPLAY_SOURCE, REPLAY_SOURCE, "");
    this.#parts.addReplay(running);
    return new ReplayedLetters(
      this.#world,
      this.#options.stateFolder,
      (batch, where) => this.#way.emitAgain(running, batch, where),
      this.#report,
    );
  }

  #newSource(name: string, component: string, key: string): RunningSource {
    const counts = this.#books.countsOf(name);
    const way = this.#parts.wayOf(name);
    const idle = { source: IDLE, openBatches: 0, openBytes: 0, isWaiting: false, isOver: false };
    return { name, component, key, counts, ...way, ...idle };
  }

  /** @throws FileError */
  #readInstance(): string {
    const { files, random } = this.#world;
    const { stateFolder } = this.#options;
    files.makeFolder(stateFolder, { mode: 0o700 });
    const path = join(stateFolder, "instance");
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
}

const IDLE: Source = { start: () => {}, resume: () => {}, stop: () => {}, close: () => {} };
