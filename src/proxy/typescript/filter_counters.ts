import type { UserFilterStats } from "../../api/stats.ts";
import { increment } from "../telemetry/counters.ts";

/** The hooks of a user's filter, as they are called there. */
export const HOOKS = [
  "onRequest",
  "onRequestBody",
  "onResponse",
  "onResponseBody",
  "onComplete",
] as const;

/** Why a call failed. `returned`: what no hook may return; `uncaught`: outside of any call. */
export type FilterError = "threw" | "timeout" | "returned" | "uncaught";

/** What a user's filter counts, whatever versions of its file there were. */
export class FilterCounters {
  /** By the hook's place in `HOOKS`. */
  readonly calls: number[] = HOOKS.map(() => 0);
  readonly errors = new Map<FilterError, number>();
  /** In which its hooks kept the thread from all else; what follows an `await` is not in it. */
  busyMs = 0;
  /** From a hook's call to its end, waiting included. */
  wholeMs = 0;
  loads = 0;
  loadFailures = 0;

  failed(reason: FilterError): void {
    increment(this.errors, reason);
  }

  stats(name: string): UserFilterStats {
    return {
      name,
      callsTotal: Object.fromEntries(HOOKS.map((hook, index) => [hook, this.calls[index]!])),
      errorsTotal: Object.fromEntries(this.errors),
      busyMs: this.busyMs,
      wholeMs: this.wholeMs,
      loadsTotal: this.loads,
      loadFailuresTotal: this.loadFailures,
    };
  }
}
