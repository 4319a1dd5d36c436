import { join } from "node:path";
import type { PipelineBinding, PipelinePolicy, SinkPolicy } from "../api/snapshot.ts";
import type { Event } from "../api/event.ts";
import { Failure } from "../base/failure.ts";
import type { Timer, World } from "../base/world.ts";
import { FileError } from "../base/world.ts";
import type { Field } from "../schema/field.ts";
import { parse } from "../schema/field.ts";
import { nodeOf } from "../schema/node.ts";
import type { HttpPost, Sink, SinkDefinition, Source, SourceDefinition } from "./component.ts";
import type { Transform, TransformDefinition } from "./component.ts";
import { DeadLetters } from "./dead_letters.ts";
import type { EventBatch } from "./event_batch.ts";
import type { Ledger } from "./ledger.ts";
import { SinkCounts, SourceCounts } from "./ledger.ts";
import { pipelineMetrics } from "./metrics.ts";
import { sinks as sinkList } from "./sinks/mod.ts";
import { SinkQueue } from "./sink_queue.ts";
import { sources as sourceList } from "./sources/mod.ts";
import { transforms as transformList } from "./transforms/mod.ts";

export interface PipelineOptions {
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

const DEFAULT_BUFFER = { maxEvents: 20_000, maxBytes: 16 * 1024 * 1024 };
const DEFAULT_IN_FLIGHT_BYTES = 16 * 1024 * 1024;
const DEFAULT_DEAD_LETTER_BYTES = 100 * 1024 * 1024;
const MAX_PENDING_LETTERS = 10_000;
const DEFAULT_DRAIN_MS = 5000;

interface RunningSource {
  readonly name: string;
  readonly counts: SourceCounts;
  readonly steps: readonly RunningStep[];
  readonly sinks: readonly RunningSink[];
  source: Source;
  /** Bytes of batches that have an open event. */
  openBytes: number;
  /** It was told to wait. */
  isWaiting: boolean;
}

interface RunningStep {
  readonly name: string;
  readonly from: readonly string[] | undefined;
  readonly transform: Transform;
}

interface RunningSink {
  readonly name: string;
  readonly counts: SinkCounts;
  readonly queue: SinkQueue;
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
        kept: (event, where) => this.#letterEnded(event, where, "dead-lettered"),
        overflowed: (event, where) => this.#letterEnded(event, where, "dropped"),
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
    for (const { source } of this.#sources) source.start();
  }

  /** Reads no more, gives the sinks their time, writes the checkpoints. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  ledger(): Ledger {
    const sources = this.#sources.map(({ name, counts }) => [name, counts.line()] as const);
    const sinks = this.#sinks.map(({ name, counts, queue, letters }) => {
      const { received, delivered, deadLettered, dropped } = counts;
      const buffered = queue.unsettled + letters;
      return [name, { received, delivered, deadLettered, dropped, buffered }] as const;
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
    const problems: string[] = [];
    const sinks = Object.entries(policy.sinks).map(([name, sink]) => {
      const where = `sinks.${name}`;
      const config = { ...sink.config, ...binding.sinks[name] };
      const definition = find(sinkList, "sink", where, sink.component, problems);
      return { name, sink, made: prepare(definition, where, config, problems) };
    });
    const steps = policy.steps.map((step, i) => {
      const where = `steps.${i}`;
      const definition = find(transformList, "step", where, step.component, problems);
      return { step, where, made: prepare(definition, where, step.config, problems) };
    });
    const sources = Object.entries(policy.sources).map(([name, source]) => {
      const where = `sources.${name}`;
      const config = { ...source.config, ...binding.sources[name] };
      const definition = find(sourceList, "source", where, source.component, problems);
      return { name, made: prepare(definition, where, config, problems) };
    });
    const names = Object.keys(policy.sources);
    for (const { name, sink } of sinks) checkFrom(`sinks.${name}`, sink.from, names, problems);
    for (const { where, step } of steps) checkFrom(where, step.from, names, problems);
    if (sources.length === 0) problems.push("sources: none is given, expected one at least");
    if (sinks.length === 0) problems.push("sinks: none is given, expected one at least");
    if (problems.length > 0) {
      const text = `pipeline ${this.name}: ${problems.join("; ")}`;
      throw new Failure("refused", text, "correct the pipeline; nothing of it was started");
    }
    const instance = this.#prepareFolder();
    for (const { name, sink, made } of sinks) this.#addSink(name, sink, made!);
    for (const { step, where, made } of steps) {
      const label = `${where}.${step.component}`;
      const onError = step.onError ?? "keep";
      const transform = this.#makeStep(label, onError, made!);
      this.#steps.push({ name: label, from: step.from, transform });
    }
    for (const { name, made } of sources) this.#addSource(name, policy, made!, instance);
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

  #addSink(name: string, policy: SinkPolicy, made: Prepared<SinkDefinition<unknown>>): void {
    const counts = new SinkCounts();
    const queue = new SinkQueue(this.#world.clock, policy.buffer ?? DEFAULT_BUFFER, {
      delivered: (events) => {
        counts.delivered += events.length;
        this.#settled(events);
      },
      refused: (event, reason) => {
        running.letters += 1;
        this.#deadLetters.add(event, name, reason);
      },
      roomAgain: () => this.#resumeAll(),
    });
    const sink = made.definition.create(made.config, {
      world: this.#world,
      name,
      queue,
      report: (text) => this.#report(`sink ${name}: ${text}`),
      count: (counter, n = 1) => this.#count(name, counter, n),
      post: this.#options.post ?? null,
    });
    const running: RunningSink = { name, counts, queue, letters: 0, sink };
    this.#sinks.push(running);
    this.#bySink.set(name, running);
  }

  #makeStep(
    name: string,
    onError: "keep" | "drop" | "deadLetter",
    made: Prepared<TransformDefinition<unknown>>,
  ): Transform {
    return made.definition.create(made.config, {
      world: this.#world,
      count: (counter, n = 1) => this.#count(name, counter, n),
      drop: (event, reason) => this.#dropEvent(event, reason),
      failed: (event, reason) => {
        this.#count(name, `failed_${reason}`, 1);
        if (onError === "keep") {
          event.decode()["parse_error"] = reason;
          return true;
        }
        if (onError === "drop") this.#dropEvent(event, reason);
        else this.#stepRefused(event, name, reason);
        return false;
      },
    });
  }

  #addSource(
    name: string,
    policy: PipelinePolicy,
    made: Prepared<SourceDefinition<unknown>>,
    instance: string,
  ): void {
    const counts = new SourceCounts();
    const isFor = (from: readonly string[] | undefined): boolean => from?.includes(name) ?? true;
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
      counts,
      steps: this.#steps.filter(({ from }) => isFor(from)),
      sinks: this.#sinks.filter((sink) => isFor(policy.sinks[sink.name]!.from)),
      source: null as unknown as Source,
      openBytes: 0,
      isWaiting: false,
    };
    running.source = made.definition.create(made.config, {
      world: this.#world,
      name,
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
    const { counts, sinks } = running;
    const count = batch.events.length;
    counts.received += count;
    batch.open = count;
    running.openBytes += batch.chunk.length;
    let events = batch.events as Event[];
    for (const step of running.steps) {
      events = this.#apply(step, events);
      if (events.length === 0) return;
    }
    if (sinks.length === 0) {
      for (const event of events) this.#dropEvent(event, "no-sink");
      return;
    }
    counts.buffered += events.length;
    for (const event of events) event.pending = sinks.length;
    for (const { counts, queue } of sinks) {
      counts.received += events.length;
      queue.push(events);
    }
    for (const { sink } of sinks) sink.wake();
  }

  /** A step that throws is a bug of the step: its events are kept, with the reason. */
  #apply(step: RunningStep, events: Event[]): Event[] {
    const all = events.slice();
    try {
      return step.transform.apply(events);
    } catch (error) {
      const reason = `step-error: ${error instanceof Error ? error.message : String(error)}`;
      this.#count(step.name, "errors", 1);
      for (const event of all) {
        if (event.pending === 0) this.#stepRefused(event, step.name, reason);
      }
      return [];
    }
  }

  #dropEvent(event: Event, reason: string): void {
    event.outcome = "dropped";
    this.#source(event).counts.drop(reason);
    this.#end(event);
  }

  #stepRefused(event: Event, step: string, reason: string): void {
    this.#source(event).counts.buffered += 1;
    // One owner, the file of dead letters.
    event.pending = 1;
    this.#deadLetters.add(event, step, reason);
  }

  #letterEnded(event: Event, where: string, outcome: "dead-lettered" | "dropped"): void {
    const sink = this.#bySink.get(where);
    if (sink !== undefined) {
      sink.letters -= 1;
      if (outcome === "dropped") sink.counts.dropped += 1;
      else sink.counts.deadLettered += 1;
    }
    // In the dead letters of one sink, and lost to another: it can still be replayed.
    if (event.outcome !== "dead-lettered") event.outcome = outcome;
    this.#settled([event]);
  }

  /** One of the event's owners has done with it. */
  #settled(events: readonly Event[]): void {
    for (const event of events) {
      event.pending -= 1;
      if (event.pending > 0) continue;
      const { counts } = this.#source(event);
      counts.buffered -= 1;
      if (event.outcome === "delivered") counts.delivered += 1;
      else if (event.outcome === "dead-lettered") counts.deadLettered += 1;
      else counts.drop("dead-letters-full");
      this.#end(event);
    }
    if (this.#drained !== null && this.#isEmpty()) this.#drained();
  }

  #end(event: Event): void {
    event.pending = -1;
    // Every origin in a pipeline is a batch that `#emit` got.
    const batch = event.origin as EventBatch;
    batch.open -= 1;
    if (batch.open > 0) return;
    const running = this.#source(event);
    running.openBytes -= batch.chunk.length;
    batch.done();
    if (running.isWaiting) this.#resume(running);
  }

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
    return running.sinks.every(({ queue }) => !queue.isFull);
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
      for (const { sink } of this.#sinks) sink.drain();
      this.#deadLetters.flush();
      if (!this.#isEmpty()) await this.#wait(this.#options.drainMs ?? DEFAULT_DRAIN_MS);
    }
    for (const { sink } of this.#sinks) sink.close();
    if (wasRunning) for (const { source } of this.#sources) source.close();
    this.#deadLetters.close();
    this.#state = "stopped";
  }

  #wait(boundMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#world.clock.after(boundMs, () => {
        this.#drained = null;
        const left = this.#sinks.reduce((sum, { queue }) => sum + queue.unsettled, 0);
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
    return this.#sources.every(({ counts }) => counts.buffered === 0);
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

// ---------------------------------------------------------------- definitions and configs

interface Defined {
  readonly name: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a list of different configs
  readonly config: Field<any>;
}

interface Prepared<D> {
  readonly definition: D;
  readonly config: unknown;
}

function find<D extends Defined>(
  list: readonly D[],
  kind: string,
  where: string,
  name: string,
  problems: string[],
): D | null {
  const found = list.find((definition) => definition.name === name);
  if (found !== undefined) return found;
  const names = list.map((definition) => definition.name).join(", ");
  problems.push(`${where}: "${name}" is no ${kind}, expected one of ${names}`);
  return null;
}

function prepare<D extends Defined>(
  definition: D | null,
  where: string,
  written: Readonly<Record<string, unknown>>,
  problems: string[],
): Prepared<D> | null {
  if (definition === null) return null;
  const at = [...where.split("."), definition.name];
  const read = parse(definition.config, nodeOf(written), { at });
  if (read.problems.length === 0) return { definition, config: read.value };
  for (const { message, advice } of read.problems) {
    problems.push(advice === null ? message : `${message} (${advice})`);
  }
  return null;
}

function checkFrom(
  where: string,
  from: readonly string[] | undefined,
  names: readonly string[],
  problems: string[],
): void {
  for (const name of from ?? []) {
    if (names.includes(name)) continue;
    problems.push(`${where}.from: "${name}" is no source, expected one of ${names.join(", ")}`);
  }
}
