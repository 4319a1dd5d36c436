import type { DerivedEvent, Event, Fields } from "../api/event.ts";
import type { TlsContext, World } from "../base/world.ts";
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

/**
 * Run by a test: with these files (or this standard input, or what is sent), these messages or
 * events are read within two seconds, in any order.
 */
export interface SourceExample {
  readonly title: string;
  readonly config: Json;
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly sent?: readonly Sent[];
  readonly messages?: readonly string[];
  readonly events?: readonly Readonly<Record<string, Json>>[];
}

/** Bytes for a port of 127.0.0.1, by a connection or as a datagram; HTTP as it is on the wire. */
export interface Sent {
  readonly by: "tcp" | "udp";
  readonly port: number;
  readonly data: string;
}

export interface SourceContext {
  readonly world: World;
  /** The source's name in its pipeline. */
  readonly name: string;
  /** Relative file names in the config are below it: where the Pipeline file lies. */
  readonly folder: string;
  /** A folder of the pipeline's own, mode 0700, which is there. */
  readonly stateFolder: string;
  /** Names this state folder among all; part of event ids. */
  readonly instance: string;
  readonly output: SourceOutput;
  readonly report: Report;
  readonly count: Count;
  /** It has read all that there will ever be: the end of standard input. */
  readonly ended: () => void;
}

export interface SourceOutput {
  /** While false, emit nothing more; `Source.resume` follows. */
  readonly ready: boolean;
  /**
   * Takes the batch over: its `done` is called once, when every event has found its end (an answer
   * of HTTP, a checkpoint). Maybe before `emit` returns. Lines: `batch.add`; what comes as fields
   * (JSON over HTTP): `batch.addFields`.
   */
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
  /**
   * Takes over another config of the same component without letting go of what is open, a port and
   * its connections: returns what does it, or null where it has to be replaced for that.
   * @throws FileError or TlsError where a file that the config names cannot be used.
   */
  reconfigure?(config: unknown): (() => void) | null;
  /** Bytes that are there and not read yet: of files, of messages that wait. For `pipeline top`. */
  lagBytes?(): number;
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
  /** Files that the config names, by their names below the Pipeline file's folder. */
  readonly files?: Readonly<Record<string, string>>;
  readonly lines: readonly string[];
  readonly events: readonly Readonly<Record<string, Json>>[];
}

/**
 * What a step asks of the pipeline. Each event that `apply` gets has one of these fates: it is
 * returned (goes on to the next step), dropped, failed, held, absorbed, or made into others. One
 * that has none is a bug of the step: it goes to the dead letters with that reason.
 */
export interface TransformContext {
  readonly world: World;
  /** `steps.2.parse`: in reports, counters and dead letters. */
  readonly name: string;
  /** Relative file names in the config are below it: where the Pipeline file lies. */
  readonly folder: string;
  /** The step's `shed` says `lowestFirst`. */
  readonly sheds: boolean;
  readonly report: Report;
  readonly count: Count;
  /**
   * The step could not do its work on this event: `onError` of the step decides. True where the
   * event goes on, marked with `parse_error`; otherwise it has been taken care of.
   */
  failed(event: Event, reason: string): boolean;
  /** Ends an event here, counted under the reason. */
  drop(event: Event, reason: string): void;
  /**
   * The step keeps the event for now (until more of a stack trace has come, a window ends). It
   * counts as buffered, is not acknowledged, and is later emitted, dropped, absorbed or made into
   * others. Bound what you hold, by number and by time: all that a source has in flight is bounded
   * (16 MiB), and when that is reached it waits until something is let go.
   */
  hold(event: Event): void;
  /**
   * What the event said is in the step's own state now (a sum, a counter): it counts as `replaced`
   * and is acknowledged at once, so a kill loses it. For a window that must lose nothing, hold its
   * events and derive from them instead.
   */
  absorb(event: Event): void;
  /**
   * Makes one event of others, held ones or such that are in `apply` right now. The parents count
   * as `replaced`, the new event as `made`, by the first parent's source. A parent is acknowledged
   * only when what was made of it has found its end. The new event is not under way yet: return it
   * from `apply` or hand it to `emit`. It stands where its first parent stood (stream, path, time).
   */
  derive(parents: readonly Event[], fields: Fields): DerivedEvent;
  /** Makes several events of one, in this order, all at once; none is a drop without a reason. */
  split(parent: Event, fields: readonly Fields[]): DerivedEvent[];
  /** From a timer: sends held or derived events on to the steps behind this one. */
  emit(events: readonly Event[]): void;
}

export interface Transform {
  /**
   * Works on the events in place; returns those that go on (the same array where all do). They are
   * of one source, in their order, maybe of several streams (`event.origin.stream`).
   */
  apply(events: Event[]): Event[];
  /**
   * The pipeline stops or is replaced, or its source waits for what is held here: returns all that
   * is held (or what is made of it), in order.
   */
  flush?(): Event[];
  /** The last call: let go of timers, files and watchers. Nothing may be emitted from here on. */
  close?(): void;
}

// ---------------------------------------------------------------- sinks

export interface SinkDefinition<C> extends Component<C> {
  /**
   * It sends to another program, which may be slow or away: beside other sinks, what waits for it
   * goes to disk when memory is full, unless its `buffer` says otherwise.
   */
  readonly isRemote?: boolean;
  readonly examples: readonly SinkExample[];
  create(config: C, context: SinkContext): Sink;
}

/**
 * Run by a test: these lines leave as this text (stdout), in these files, as bodies of these
 * requests, as these bytes to a port of 127.0.0.1, or as these metrics.
 */
export interface SinkExample {
  readonly title: string;
  readonly config: Json;
  readonly lines: readonly string[];
  readonly stdout?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly requests?: readonly { readonly url: string; readonly body: string }[];
  readonly sent?: readonly Sent[];
  /** Prometheus text. */
  readonly metrics?: string;
}

/**
 * Sends a request and waits for the whole answer. Rejects where there is none. The body of the
 * answer is bounded by who implements it.
 */
export type HttpPost = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  options?: HttpPostOptions,
) => Promise<HttpAnswer>;

export interface HttpPostOptions {
  /** Whom to trust over https://, and who we are; the system's roots without it. */
  readonly tls?: TlsContext;
  readonly timeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SinkContext {
  /** Sockets, files and time: `world.net` for what is no HTTP. */
  readonly world: World;
  readonly pipeline: string;
  /** The sink's name in its pipeline. */
  readonly name: string;
  /** Relative file names in the config are below it: where the Pipeline file lies. */
  readonly folder: string;
  readonly queue: SinkQueue;
  readonly report: Report;
  readonly count: Count;
  /** Null where the program brings no HTTP client. */
  readonly post: HttpPost | null;
}

/**
 * A sink takes events from its queue when it is woken, and settles each of them: delivered, or
 * refused for good with a reason (it then goes to the dead letters). What may be tried again stays
 * taken and unsettled. `sender.ts` does batching, retries with full jitter and timeouts for sinks
 * that send requests.
 */
export interface Sink {
  /** Events wait in the queue. Called after each batch that came in. */
  wake(): void;
  /** From now on, do not wait for a full batch. */
  drain(): void;
  /** The last call. What was not settled stays unacknowledged. */
  close(): void;
  /** Prometheus text of metrics that are the sink's own, beside the pipeline's. */
  metrics?(): string;
}
