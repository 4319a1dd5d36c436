import { join } from "node:path";
import { OVERFLOW_BYTES } from "../api/snapshot.ts";
import type { PipelineBinding, PipelinePolicy } from "../api/snapshot.ts";
import type { Event } from "../api/event.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { FileError, TlsError } from "../base/world.ts";
import { Assembly } from "./assembly.ts";
import { Awaited } from "./awaited.ts";
import { Backpressure } from "./backpressure.ts";
import { Books } from "./books.ts";
import type { HttpPost } from "./component.ts";
import { DeadLetters } from "./dead_letters.ts";
import { EventWay } from "./event_way.ts";
import type { Ledger } from "./ledger.ts";
import { lettersPath } from "./letter_file.ts";
import { pipelineMetrics } from "./metrics.ts";
import type { RunningSink, RunningSource } from "./parts.ts";
import { Parts } from "./parts.ts";
import type { ComponentLists, Plan, PlannedSink } from "./plan.ts";
import { planPipeline } from "./plan.ts";
import type { ReplayedLetters } from "./replayed_letters.ts";
import type { PipelineState } from "./state.ts";
import type { Trace } from "./trace.ts";

export interface PipelineOptions {
  /** Where the Pipeline file lies: its relative file names are below it. The program's without. */
  readonly folder?: string;
  /** All there are if not given; tests bring their own. */
  readonly components?: ComponentLists;
  /** For sinks that speak HTTP. */
  readonly post?: HttpPost;
  /** A line for people, without the pipeline's name: what waits, fails or works again. */
  readonly report?: (line: string) => void;
  /** No source will ever read again (standard input has ended), and every event has found its end. */
  readonly onOver?: () => void;
  /** How long `stop` waits for sinks; 5 s if not given. What is left comes again after a start. */
  readonly drainMs?: number;
  /** Bytes of one source that are read and not acknowledged; 16 MiB if not given. */
  readonly maxInFlightBytes?: number;
  /** On disk, of a sink beside others whose file says nothing of it; OVERFLOW_BYTES if not given. */
  readonly maxOverflowBytes?: number;
  /** Bound of the file of dead letters; 100 MiB if not given. */
  readonly maxDeadLetterBytes?: number;
}

const DEFAULT_IN_FLIGHT_BYTES = 16 * 1024 * 1024;
const DEFAULT_DEAD_LETTER_BYTES = 100 * 1024 * 1024;
const MAX_PENDING_LETTERS = 10_000;
const OVER_LOOK_MS = 60_000;
const DEFAULT_DRAIN_MS = 5000;

/**
 * One pipeline: sources, steps, sinks, and the books. An event is acknowledged to its source when
 * every sink that it is for took it, or it lies in the dead letters, or a step dropped it with a
 * reason. All state is here, in one process; what must outlive it is below `stateFolder`.
 */
export class PipelineRunner {
  #options: PipelineOptions;
  /** Its own, below the state folder. */
  readonly folder: string;
  #parts = new Parts();
  #awaited: Awaited;
  #deadLetters: DeadLetters;
  #backpressure: Backpressure;
  #books: Books;
  #way: EventWay;
  #assembly: Assembly;
  #replayed: ReplayedLetters;
  #state: "new" | "running" | "changing" | "stopping" | "stopped" = "new";
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
    this.#options = options;
    this.folder = join(stateFolder, "pipelines", encodeURIComponent(name));
    this.#awaited = new Awaited(world.clock);
    this.#deadLetters = this.#newDeadLetters(world);
    this.#backpressure = new Backpressure(this.#parts, this.#deadLetters, {
      maxInFlightBytes: options.maxInFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES,
      isOpen: () => this.#state === "running",
    });
    this.#books = new Books(this.#parts, this.#awaited, (running) =>
      this.#backpressure.resume(running),
    );
    this.#way = new EventWay(this.#parts, this.#books, this.#deadLetters);
    const plan = planPipeline(name, policy, binding, options.components);
    this.#assembly = new Assembly(
      world,
      {
        name,
        stateFolder: this.folder,
        filesFolder: options.folder ?? world.processes.self.folder,
        post: options.post ?? null,
        onOver: () => void this.#whenOver(),
        maxOverflowBytes: options.maxOverflowBytes ?? OVERFLOW_BYTES,
      },
      this.#parts,
      this.#books,
      this.#way,
      this.#backpressure,
      this.#deadLetters,
      (text) => this.#report(text),
    );
    this.#build(plan);
    this.#replayed = this.#assembly.addReplay();
  }

  get deadLettersPath(): string {
    return lettersPath(this.folder);
  }

  /** From here on it is followed what happens to the next events; null ends it. */
  set trace(trace: Trace | null) {
    this.#way.trace = trace;
  }

  get trace(): Trace | null {
    return this.#way.trace;
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
    for (const { disk } of this.#parts.sinks) disk?.load();
    for (const { source } of this.#parts.sources) source.start();
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
    const reconfigured = this.#planReconfigured(plan);
    this.#state = "changing";
    try {
      await this.#changeTo(plan, reconfigured);
    } finally {
      // A stop may have come in between.
      if (this.#state === "changing") this.#state = "running";
      this.#backpressure.resumeAll();
    }
  }

  ledger(): Ledger {
    return this.#books.ledger();
  }

  /** The books, and what moves. */
  state(): PipelineState {
    const sources = this.#parts.sources.map(({ name, openBytes, isWaiting, source }) => {
      const lagBytes = source.lagBytes?.() ?? null;
      return [name, { inFlightBytes: openBytes, isWaiting, lagBytes }] as const;
    });
    const sinks = this.#parts.sinks.map(({ name, queue, disk }) => {
      const { fill } = disk ?? queue;
      const diskBytes = disk === null ? null : disk.diskBytes;
      return [name, { waiting: queue.waiting, fill, oldestMs: queue.ageMs, diskBytes }] as const;
    });
    const counters = [...this.#books.counters].map(
      ([name, counts]) => [name, Object.fromEntries(counts)] as const,
    );
    return {
      ledger: this.ledger(),
      sources: Object.fromEntries(sources),
      sinks: Object.fromEntries(sinks),
      counters: Object.fromEntries(counters),
    };
  }

  /** The books as Prometheus text. */
  metrics(): string {
    const counters = new Map(this.#books.counters);
    const failures = this.#deadLetters.writeFailures;
    if (failures > 0) counters.set("dead-letters", new Map([["write_failures", failures]]));
    return pipelineMetrics(this.name, this.state(), counters);
  }

  /** Prometheus texts of sinks that make metrics of events; two may have the same families. */
  sinkMetrics(): readonly string[] {
    return this.#parts.sinks.flatMap(({ sink }) => sink.metrics?.() ?? []);
  }

  // -------------------------------------------------------------- building

  #newDeadLetters(world: World): DeadLetters {
    return new DeadLetters(
      world,
      {
        path: this.deadLettersPath,
        maxBytes: this.#options.maxDeadLetterBytes ?? DEFAULT_DEAD_LETTER_BYTES,
        maxPending: MAX_PENDING_LETTERS,
      },
      {
        kept: (event, where) => this.#books.letterEnded(event, where, true),
        overflowed: (event, where) => this.#books.letterEnded(event, where, false),
        roomAgain: () => this.#backpressure.resumeAll(),
      },
      (text) => this.#report(text),
    );
  }

  #build(plan: Plan): void {
    this.#assembly.nameOrphans(plan);
    for (const sink of plan.sinks) this.#assembly.addSink(sink);
    this.#parts.steps = plan.steps.map((step) => this.#assembly.newStep(step));
    for (const source of plan.sources) this.#assembly.addSource(source);
  }

  // -------------------------------------------------------------- change

  /** Sources that take over their new config as they are. @throws Failure `refused` */
  #planReconfigured({ sources }: Plan): ReadonlyMap<RunningSource, () => void> {
    const reconfigured = new Map<RunningSource, () => void>();
    for (const running of this.#parts.sources) {
      const planned = sources.find(({ name }) => name === running.name);
      if (planned === undefined || planned.key === running.key) continue;
      if (planned.definition.name !== running.component) continue;
      try {
        const take = running.source.reconfigure?.(planned.config) ?? null;
        if (take === null) continue;
        reconfigured.set(running, () => {
          take();
          running.key = planned.key;
        });
      } catch (error) {
        if (!(error instanceof FileError) && !(error instanceof TlsError)) throw error;
        const text = `pipeline ${this.name}: sources.${running.name}: ${error.message}`;
        throw new Failure("refused", text, "correct it; everything goes on as before");
      }
    }
    return reconfigured;
  }

  async #changeTo(
    plan: Plan,
    reconfigured: ReadonlyMap<RunningSource, () => void>,
  ): Promise<void> {
    const parts = this.#parts;
    const oldSources = parts.sources.filter(
      (one) => !isSame(one, plan.sources) && !reconfigured.has(one),
    );
    const oldSinks = parts.sinks.filter((one) => !isSame(one, plan.sinks));
    for (const { source } of oldSources) source.stop();
    for (const step of parts.steps) step.flush();
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
    for (const step of parts.steps) step.flush();
    const left = new Map(oldSinks.map((sink) => [sink.name, this.#removeSink(sink)]));
    for (const step of parts.steps) step.close();
    for (const old of oldSources) {
      old.source.close();
      parts.removeSource(old);
    }
    for (const take of reconfigured.values()) take();
    parts.steps = plan.steps.map((step) => this.#assembly.newStep(step));
    const added = plan.sinks.flatMap((sink) => this.#keepOrAdd(sink));
    parts.sinks = plan.sinks.map(({ name }) => parts.bySink.get(name)!);
    parts.planWays();
    const kept = new Set(parts.sources.map(({ name }) => name));
    const started = plan.sources
      .filter(({ name }) => !kept.has(name))
      .map((source) => this.#assembly.addSource(source));
    this.#takeOver(added, left);
    for (const { source } of started) source.start();
  }

  #keepOrAdd(planned: PlannedSink): RunningSink[] {
    const same = this.#parts.bySink.get(planned.name);
    if (same === undefined) return [this.#assembly.addSink(planned)];
    same.route = planned.route;
    return [];
  }

  /** Returns what it has not delivered, and has in memory only. */
  #removeSink(running: RunningSink): readonly Event[] {
    const { name, sink, queue, disk } = running;
    sink.close();
    const left = (disk ?? queue).leftovers();
    disk?.close();
    if (disk !== null && disk.unsettled > 0) {
      this.#books.retire(name, disk.unsettledBySource);
      const again = disk.isUnwritten ? "; some of them come again only after a start" : "";
      this.#report(`sink ${name}: its buffer on disk keeps ${disk.unsettled} events${again}`);
    }
    this.#parts.removeSink(running);
    return left;
  }

  #takeOver(added: readonly RunningSink[], left: ReadonlyMap<string, readonly Event[]>): void {
    for (const { name, queue, disk, sink } of added) {
      const events = left.get(name) ?? [];
      if (disk !== null) this.#books.openSlots(events);
      (disk ?? queue).push(events);
      disk?.load();
      sink.wake();
    }
    for (const [name, events] of left) {
      if (this.#parts.bySink.has(name)) continue;
      this.#books.sinkCountsOf(name).letters += events.length;
      for (const event of events) this.#deadLetters.add(event, name, "the sink was removed");
    }
  }

  // -------------------------------------------------------------- the end

  async #whenOver(): Promise<void> {
    // As long as it takes: what came by standard input does not come again.
    while (!(await this.#awaited.until(() => this.#isEmpty(), OVER_LOOK_MS))) {
      if (this.#state !== "running") return;
    }
    if (this.#state === "running") this.#options.onOver?.();
  }

  async #stop(): Promise<void> {
    const wasRunning = this.#state === "running" || this.#state === "changing";
    this.#state = "stopping";
    if (wasRunning) {
      for (const { source } of this.#parts.sources) source.stop();
      this.#replayed.stop();
      // In order: what one step lets go may be held by a later one.
      for (const step of this.#parts.steps) step.flush();
      for (const { sink, disk } of this.#parts.sinks) {
        sink.drain();
        disk?.flush();
      }
      this.#deadLetters.flush();
      const isDone = await this.#until(() => this.#isEmpty());
      for (const { disk } of this.#parts.sinks) if (!isDone) disk?.keepAll();
      if (!isDone && !this.#isEmpty()) {
        const inMemory = this.#parts.sinks.filter(({ disk }) => disk === null);
        const left = inMemory.reduce((sum, { queue }) => sum + queue.unsettled, 0);
        const again = "they come again after a start";
        this.#report(`stopped with ${left} events that no sink took; ${again}`);
      }
    }
    for (const step of this.#parts.steps) step.close();
    for (const { sink, disk } of this.#parts.sinks) {
      sink.close();
      disk?.close();
    }
    if (wasRunning) for (const { source } of this.#parts.sources) source.close();
    this.#deadLetters.close();
    this.#state = "stopped";
  }

  /** False where it did not come true within `drainMs`. */
  #until(condition: () => boolean): Promise<boolean> {
    return this.#awaited.until(condition, this.#options.drainMs ?? DEFAULT_DRAIN_MS);
  }

  #isEmpty(): boolean {
    if (this.#deadLetters.pending > 0) return false;
    if ((this.#parts.replay?.openBatches ?? 0) > 0) return false;
    return this.#parts.sources.every(({ openBatches }) => openBatches === 0);
  }

  #report(text: string): void {
    this.#options.report?.(text);
  }
}

/** The new file has it with the same config. */
function isSame(
  { name, key }: { readonly name: string; readonly key: string },
  planned: readonly { readonly name: string; readonly key: string }[],
): boolean {
  return planned.some((one) => one.name === name && one.key === key);
}
