import type { CaptureOrder } from "../../api/capture.ts";
import type { LogLevel } from "../../api/log_level.ts";
import type { TapOrder } from "../../api/tap.ts";
import type { ProxyContext } from "../context.ts";
import { Capture, type CaptureTaker } from "./capture.ts";
import { DebugLog } from "./debug_log.ts";
import { Tap, type TapTaker } from "./tap.ts";
import { type Watcher, watchAll } from "./watch.ts";

export interface WatchersOptions {
  readonly log: (lines: string) => void;
  /** There are others now: listeners are to ask `with` again. */
  readonly changed: () => void;
  /** Of the Snapshot in force. */
  readonly version: () => string;
  /** Of a group the group itself tells events, and keeps all of them. */
  readonly isMember: boolean;
}

/** Who looks on at a proxy at run time: taps, captures, and the log as its level has it. */
export class Watchers {
  readonly #context: ProxyContext;
  readonly #options: WatchersOptions;
  readonly #all = new Set<Watcher>();
  #level: LogLevel = "info";
  #endDebug: (() => void) | null = null;

  constructor(context: ProxyContext, options: WatchersOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** All as one; null for none. The tracer first: others then find the trace id. */
  with(tracer: Watcher | null): Watcher | null {
    return watchAll(tracer === null ? [...this.#all] : [tracer, ...this.#all]);
  }

  /** Requests that come from now on pass before its eyes. Returns what ends that. */
  add(watcher: Watcher): () => void {
    this.#all.add(watcher);
    this.#options.changed();
    return () => {
      if (this.#all.delete(watcher)) this.#options.changed();
    };
  }

  tap(order: TapOrder, take: TapTaker): () => void {
    return this.#addUntilEnd(new Tap(order, this.#context.clock, take));
  }

  capture(order: CaptureOrder, take: CaptureTaker): () => void {
    const { clock, random } = this.#context;
    const { version } = this.#options;
    return this.#addUntilEnd(new Capture(order, { clock, random, version }, take));
  }

  #addUntilEnd(watcher: Tap | Capture): () => void {
    const forget = this.add(watcher);
    return () => {
      forget();
      watcher.end();
    };
  }

  get logLevel(): LogLevel {
    return this.#level;
  }

  set logLevel(level: LogLevel) {
    this.#level = level;
    const { accessLog, events, clock } = this.#context;
    accessLog.onlyErrors = level === "error";
    events.onlyTrouble = level === "error" && !this.#options.isMember;
    this.#endDebug?.();
    const { log } = this.#options;
    this.#endDebug = level === "debug" ? this.add(new DebugLog(clock, log)) : null;
  }
}
