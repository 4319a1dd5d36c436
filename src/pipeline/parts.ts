import type { Event } from "../api/event.ts";
import type { Sink, Source } from "./component.ts";
import type { DiskBuffer } from "./buffer/disk_buffer.ts";
import type { OverflowBuffer } from "./buffer/overflow_buffer.ts";
import type { SinkCounts, SourceCounts } from "./ledger.ts";
import type { Route } from "./plan.ts";
import { REPLAY_SOURCE } from "./replayed_letters.ts";
import type { SinkQueue } from "./sink_queue.ts";
import type { RunningStep } from "./step.ts";

export interface RunningSource extends WayOfSource {
  readonly name: string;
  /** Another one after it was reconfigured. */
  key: string;
  readonly component: string;
  readonly counts: SourceCounts;
  source: Source;
  /** Batches that are not acknowledged. */
  openBatches: number;
  /** Bytes of batches that have an open event. */
  openBytes: number;
  /** It was told to wait. */
  isWaiting: boolean;
  /** It will never read again. */
  isOver: boolean;
}

/** The steps and sinks of a source's events. */
export interface WayOfSource {
  steps: readonly RunningStep[];
  sinks: readonly RunningSink[];
  /** No step reads its events, and every sink gets all: its batches need no objects. */
  isPlain: boolean;
  /** Copies of its events are written as they come. */
  hasDisk: boolean;
}

export interface RunningSink {
  readonly name: string;
  readonly key: string;
  readonly counts: SinkCounts;
  readonly queue: SinkQueue;
  /** Null where it waits in memory only. */
  readonly disk: DiskBuffer | OverflowBuffer | null;
  route: Route;
  readonly whenFull: "block" | "drop" | "dropLowest";
  readonly sink: Sink;
}

/** What a pipeline is made of at the moment. A change of its file replaces some of it. */
export class Parts {
  sources: RunningSource[] = [];
  steps: RunningStep[] = [];
  sinks: RunningSink[] = [];
  /** Of dead letters that are sent again: a source that the file does not name. */
  replay: RunningSource | null = null;
  readonly bySink = new Map<string, RunningSink>();
  #bySource = new Map<string, RunningSource>();
  #lastSource: RunningSource | null = null;

  addSource(running: RunningSource): void {
    this.sources.push(running);
    this.#bySource.set(running.name, running);
    this.#lastSource = null;
  }

  addReplay(running: RunningSource): void {
    this.replay = running;
    this.#bySource.set(running.name, running);
  }

  /** It can still be found by name: events of it may be under way. */
  removeSource(running: RunningSource): void {
    this.sources.splice(this.sources.indexOf(running), 1);
  }

  addSink(running: RunningSink): void {
    this.sinks.push(running);
    this.bySink.set(running.name, running);
  }

  removeSink(running: RunningSink): void {
    this.sinks.splice(this.sinks.indexOf(running), 1);
    this.bySink.delete(running.name);
  }

  /** The source of an event, also of one that a change took away. */
  sourceOf(event: Event): RunningSource {
    const { source } = event.origin;
    // Events come in runs of one source.
    const last = this.#lastSource;
    if (last !== null && last.name === source) return last;
    return (this.#lastSource = this.#bySource.get(source)!);
  }

  wayOf(source: string): WayOfSource {
    const isFor = ({ route }: { readonly route: Route }): boolean =>
      source === REPLAY_SOURCE || (route.sources?.includes(source) ?? true);
    const steps = this.steps.filter(isFor);
    const sinks = this.sinks.filter(isFor);
    const hasDisk = sinks.some(({ disk }) => disk?.isEager === true);
    const isOne = sinks.length === 1 || (sinks.length > 0 && !hasDisk);
    return { steps, sinks, isPlain: steps.length === 0 && isOne && sinks.every(takesAll), hasDisk };
  }

  /** After the steps or sinks have changed. */
  planWays(): void {
    for (const running of this.#bySource.values()) Object.assign(running, this.wayOf(running.name));
  }
}

/** Every event of its sources; none is turned away at its door. */
function takesAll({ route, whenFull }: RunningSink): boolean {
  return route.when === null && whenFull === "block";
}
