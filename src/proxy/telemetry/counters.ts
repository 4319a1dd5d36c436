import type { TlsFailure, TlsVersion } from "../../base/world.ts";
import type { FallbackTrigger } from "../../api/snapshot.ts";
import type { MirrorOutcome } from "../../api/stats.ts";
import type { RepairKind } from "../../codec/http1/repair.ts";
import type { CodecErrorCode } from "../../codec/message.ts";
import type { EjectionReason } from "../cluster/outliers.ts";
import { Histogram } from "./histogram.ts";
import { ObservedCalls } from "./observed.ts";

/** Counts by status. The same status comes again and again, so the last one is at hand. */
export class StatusCounts {
  readonly #counts = new Map<number, { count: number }>();
  #lastStatus = -1;
  #last = { count: 0 };

  add(status: number): void {
    if (status !== this.#lastStatus) {
      let entry = this.#counts.get(status);
      if (entry === undefined) {
        entry = { count: 0 };
        this.#counts.set(status, entry);
      }
      this.#lastStatus = status;
      this.#last = entry;
    }
    this.#last.count++;
  }

  entries(): readonly (readonly [status: number, count: number])[] {
    return [...this.#counts].map(([status, { count }]) => [status, count] as const).sort(byStatus);
  }

  byClass(): [number, number, number, number, number, number] {
    const classes: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
    for (const [status, { count }] of this.#counts) {
      const index = Math.trunc(status / 100);
      classes[index < 6 ? index : 0]! += count;
    }
    return classes;
  }

  get total(): number {
    let total = 0;
    for (const { count } of this.#counts.values()) total += count;
    return total;
  }
}

function byStatus(a: readonly [number, number], b: readonly [number, number]): number {
  return a[0] - b[0];
}

/** What a route counts. Status 0 is a request whose caller left before an answer. */
export class RouteCounters {
  active = 0;
  readonly answers = new StatusCounts();
  /** Of bodies, as callers sent and got them. */
  requestBytes = 0;
  responseBytes = 0;
  /** Tries after a request's first. */
  retries = 0;
  readonly fallbacks = new Map<FallbackTrigger, number>();
  /** Of the fallbacks, those with a last good answer. */
  lastGood = 0;
  readonly duration = new Histogram();
  /** Faults injected on purpose, by kind; `overflow` is one that found no room. */
  readonly faults = new Map<"delay" | "abort" | "bandwidth" | "overflow", number>();
  /** By the limit's name; see `limitCounters`. */
  readonly rateLimits = new Map<string, LimitCounters>();
}

/** Who decided about a request: this process, a shared Redis, or what holds while that is away. */
export type LimitDecider = "local" | "shared" | "away";

/** What a rate limit counts. */
export interface LimitCounters {
  /** Requests that it refused. */
  readonly limited: Record<LimitDecider, number>;
  /** Requests that the shared Redis gave no answer for in time, whatever became of them. */
  unanswered: number;
}

export function limitCounters({ rateLimits }: RouteCounters, name: string): LimitCounters {
  let counters = rateLimits.get(name);
  if (counters === undefined) {
    counters = { limited: { local: 0, shared: 0, away: 0 }, unanswered: 0 };
    rateLimits.set(name, counters);
  }
  return counters;
}

/** What a listener counts of TLS. */
export class TlsCounters {
  /** By version. */
  readonly handshakes = new Map<TlsVersion, number>();
  resumed = 0;
  readonly failures = new Map<TlsFailure, number>();
  reloads = 0;
  reloadFailures = 0;
}

/** What a listener counts. */
export class ListenerCounters {
  connectionsActive = 0;
  connectionsTotal = 0;
  connectionsRefused = 0;
  malformed = 0;
  readonly tls = new TlsCounters();
  readonly observed = new ObservedCalls();
  readonly routes = new Map<string, RouteCounters>();

  route(name: string): RouteCounters {
    let counters = this.routes.get(name);
    if (counters === undefined) {
      counters = new RouteCounters();
      this.routes.set(name, counters);
    }
    return counters;
  }
}

/** What a cluster counts. A try is one sending of a request to one endpoint. */
export class ClusterCounters {
  requestsActive = 0;
  requestsPending = 0;
  connectionsActive = 0;
  connectionsTotal = 0;
  /** Of bodies, with those of retries and of answers that nobody got. */
  sentBytes = 0;
  receivedBytes = 0;
  tries = new StatusCounts();
  /** Tries without an answer, by failure code. */
  readonly failures = new Map<string, number>();
  /** Tries that failed, by an answer of 500 and above or without one. */
  triesFailed = 0;
  triesStarted = 0;
  retries = 0;
  retriesActive = 0;
  retriesOverBudget = 0;
  retriesOverLimit = 0;
  readonly overflow = new Map<"requests" | "pending" | "concurrency", number>();
  readonly ejections = new Map<EjectionReason, number>();
  rejectedByBreaker = 0;
  /** Copies of requests that were mirrored here, in flight and by what became of them. */
  mirrorsActive = 0;
  readonly mirrored = new Map<MirrorOutcome, number>();
  noEndpoint = 0;
  /** Malformed answers by what was done, then by the codec's error or the kind of repair. */
  readonly malformed = {
    refused: new Map<CodecErrorCode, number>(),
    repaired: new Map<RepairKind, number>(),
  };
  readonly tryDuration = new Histogram();
  readonly transitions = new Map<"open" | "half-open" | "closed", number>();
}

export function increment<Key>(map: Map<Key, number>, key: Key): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
