/** What the console shows: the typed API between it and its page. */
import type { ProxyEvent, ProxyStats } from "../api/stats.ts";

/** What the owner of the console knows of one workload at a moment. */
export interface ConsoleApp {
  /** `namespace/name`. */
  readonly workload: string;
  /** Where a browser reaches it, or null. */
  readonly url: string | null;
  readonly processes: readonly ConsoleProcess[];
  /** Null where there is no sidecar, or it does not answer. */
  readonly stats: ProxyStats | null;
}

export interface ConsoleProcess {
  readonly role: string;
  readonly state: string;
  readonly restarts: number;
}

/** Where the figures come from. */
export interface ConsoleSource {
  readonly title: string;
  apps(): Promise<readonly ConsoleApp[]>;
}

/** One second of one workload. Rates are per second, ratios 0 to 1; null where nothing happened. */
export interface WorkloadSample {
  readonly requests: number;
  readonly success: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** By the callee's name. */
  readonly calls: Readonly<Record<string, CallSample>>;
}

export interface CallSample {
  /** As the app asked. */
  readonly requests: number;
  /** Of the answers that the app got. */
  readonly success: number | null;
  /** As the callee saw them. */
  readonly tries: number;
  readonly triesFailed: number;
  readonly fallbacks: number;
  readonly breaker: "none" | "closed" | "open" | "half-open";
  /** The adaptive limit of requests in flight; missing where there is none. */
  readonly limit?: number;
}

export interface Sample {
  /** Wall clock. */
  readonly timeMs: number;
  readonly workloads: Readonly<Record<string, WorkloadSample>>;
}

/** `GET /api/view?since=MS`. */
export interface ConsoleView {
  readonly title: string;
  readonly nowMs: number;
  readonly apps: readonly AppView[];
  /** Those after `since`, oldest first; one a second, ten minutes at most. */
  readonly samples: readonly Sample[];
}

export interface AppView {
  readonly workload: string;
  readonly url: string | null;
  readonly processes: readonly ConsoleProcess[];
  readonly policyHash: string | null;
  readonly residentBytes: number | null;
  /** The newest first. */
  readonly events: readonly ProxyEvent[];
}
