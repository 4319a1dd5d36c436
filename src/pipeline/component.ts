import type { Event } from "../api/event.ts";
import type { World } from "../base/world.ts";
import type { Field, Json } from "../schema/field.ts";
import type { EventBatch } from "./event_batch.ts";
import type { SinkQueue } from "./sink_queue.ts";

/** What every source, transform and sink says of itself; one file each, in its folder's list. */
interface Component<C> {
  /** As it is written in a Pipeline file. */
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  readonly status: "stable" | "beta" | "alpha";
  /** What it opens, reads or trusts, and what bounds it. */
  readonly security: string;
  /** The config in its written form: durations as "2s", sizes as "1MiB". */
  readonly config: Field<C>;
}

/** Tells a person, once for each new state; never the content of an event. */
export type Report = (text: string) => void;

/** Adds to a counter of the component: `outrigger_pipeline_events_total` is the runner's own. */
export type Count = (counter: string, n?: number) => void;

// ---------------------------------------------------------------- sources

export interface SourceDefinition<C> extends Component<C> {
  readonly examples: readonly SourceExample[];
  create(config: C, context: SourceContext): Source;
}

/** Run by a test: with these files (or this standard input), these messages are read. */
export interface SourceExample {
  readonly title: string;
  readonly config: Json;
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly messages: readonly string[];
}

export interface SourceContext {
  readonly world: World;
  /** The source's name in its pipeline. */
  readonly name: string;
  /** A folder of the pipeline's own, mode 0700, which is there. */
  readonly stateFolder: string;
  /** Names this state folder among all; part of event ids. */
  readonly instance: string;
  readonly output: SourceOutput;
  readonly report: Report;
  readonly count: Count;
}

export interface SourceOutput {
  /** While false, emit nothing more; `Source.resume` follows. */
  readonly ready: boolean;
  /** Takes the batch over: its `done` is called once, when every event has found its end. */
  emit(batch: EventBatch): void;
  /** Counts events that the source itself gives up: received, and dropped for that reason. */
  drop(count: number, reason: string): void;
}

export interface Source {
  start(): void;
  /** The output is ready again. */
  resume(): void;
  /** Read no more. Acknowledgements go on. */
  stop(): void;
  /** The last call: write down what was acknowledged, and let go of everything. */
  close(): void;
}

// ---------------------------------------------------------------- transforms

export interface TransformDefinition<C> extends Component<C> {
  readonly examples: readonly TransformExample[];
  create(config: C, context: TransformContext): Transform;
}

/** Run by a test: these lines come out as these fields. */
export interface TransformExample {
  readonly title: string;
  readonly config: Json;
  readonly lines: readonly string[];
  readonly events: readonly Readonly<Record<string, Json>>[];
}

export interface TransformContext {
  readonly world: World;
  readonly count: Count;
  /**
   * The step could not do its work on this event: `onError` of the step decides. True where the
   * event goes on, marked with `parse_error`; otherwise it has been taken care of.
   */
  failed(event: Event, reason: string): boolean;
  /** Ends an event here, counted under the reason. */
  drop(event: Event, reason: string): void;
}

export interface Transform {
  /** Works on the events in place; returns those that go on (the same array where all do). */
  apply(events: Event[]): Event[];
}

// ---------------------------------------------------------------- sinks

export interface SinkDefinition<C> extends Component<C> {
  readonly examples: readonly SinkExample[];
  create(config: C, context: SinkContext): Sink;
}

/** Run by a test: these lines leave as this text (stdout), or as bodies of these requests. */
export interface SinkExample {
  readonly title: string;
  readonly config: Json;
  readonly lines: readonly string[];
  readonly stdout?: string;
  readonly requests?: readonly { readonly url: string; readonly body: string }[];
}

/**
 * Sends a request and waits for the whole answer. Rejects where there is none. The body of the
 * answer is bounded by who implements it.
 */
export type HttpPost = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
) => Promise<HttpAnswer>;

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SinkContext {
  readonly world: World;
  /** The sink's name in its pipeline. */
  readonly name: string;
  readonly queue: SinkQueue;
  readonly report: Report;
  readonly count: Count;
  /** Null where the program brings no HTTP client. */
  readonly post: HttpPost | null;
}

export interface Sink {
  /** Events wait in the queue. Called after each batch that came in. */
  wake(): void;
  /** From now on, do not wait for a full batch. */
  drain(): void;
  /** The last call. What was not settled stays unacknowledged. */
  close(): void;
}
