import type { FaultOrder } from "../../api/fault.ts";
import type { LogLevel } from "../../api/log_level.ts";
import type { CapturedRequest, CaptureOrder } from "../../api/capture.ts";
import type { RequestRecord } from "../../api/request_record.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { ProxyEvent } from "../../api/stats.ts";
import type { TapOrder } from "../../api/tap.ts";
import type { FailureKind } from "../../base/failure.ts";
import type { ListeningSocket } from "../../base/world.ts";
import type { Watched } from "../typescript/filter_cells.ts";
import type { Allotment } from "./allotment.ts";

/** What a worker is to look for. */
export type Watch =
  | { readonly what: "tap"; readonly order: TapOrder }
  | { readonly what: "capture"; readonly order: CaptureOrder };

/** What the main thread asks of a worker; each is answered once. */
export type Order =
  | { readonly kind: "prepare"; readonly snapshot: Snapshot; readonly allotment: Allotment }
  | { readonly kind: "commit" }
  | { readonly kind: "abandon" }
  | { readonly kind: "stats" }
  | { readonly kind: "metrics" }
  /** Each is told once. */
  | { readonly kind: "take-sightings" }
  /** What is seen comes as `seen`, the last of it before `unwatch` is answered. */
  | { readonly kind: "watch"; readonly id: number; readonly watch: Watch }
  | { readonly kind: "unwatch"; readonly id: number }
  /** Those that failed lately; null is the newest of all. */
  | { readonly kind: "failures"; readonly id: string | null }
  | { readonly kind: "log-level"; readonly level: LogLevel }
  | { readonly kind: "faults" }
  | { readonly kind: "set-fault"; readonly order: FaultOrder }
  | {
      readonly kind: "clear-faults";
      readonly listener: string | null;
      readonly route: string | null;
    }
  /** Its listening sockets. */
  | { readonly kind: "sockets" }
  | { readonly kind: "drain"; readonly hasSuccessor: boolean };

/** The first message, once. */
export interface Welcome {
  readonly kind: "welcome";
  readonly worker: number;
  readonly workers: number;
  /** The main thread's clock when this was sent: threads do not count from the same start. */
  readonly nowMs: number;
  /** A cell a worker, in which it counts that it lives. */
  readonly beats: SharedArrayBuffer;
  /** Sockets that it listens on in the place of new ones. */
  readonly inherited: readonly ListeningSocket[];
}

export type ToWorker =
  | Welcome
  | { readonly kind: "call"; readonly id: number; readonly order: Order }
  | { readonly kind: "give-room"; readonly cluster: string }
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly failure: PlainFailure }
  | { readonly kind: "log"; readonly lines: string }
  | { readonly kind: "event"; readonly event: ProxyEvent }
  | { readonly kind: "ask-for-room"; readonly cluster: string }
  | {
      readonly kind: "seen";
      readonly id: number;
      readonly seen: readonly RequestRecord[] | readonly CapturedRequest[];
      readonly lost: number;
    }
  /** Where its users' filters can be looked at; null: it has none. */
  | { readonly kind: "watch-filters"; readonly watched: Watched | null }
  /** An error that nobody caught; the worker ends. */
  | { readonly kind: "broken"; readonly text: string };

/** A Failure as plain data. */
export interface PlainFailure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly advice: string | undefined;
}

/** How often a worker counts that it lives. */
export const BEAT_MS = 250;
