/**
 * One request as it passed a proxy: what a tap shows, and what is kept of those that failed. It
 * never holds a body.
 */
import type { Origin } from "./snapshot.ts";

export interface RequestRecord {
  /** Of the request's start; wall clock. */
  readonly timeMs: number;
  readonly listener: string;
  readonly method: string;
  /** As it was asked for, without its query. */
  readonly path: string;
  /** With its question mark; `?...` where it is not shown, empty where there is none. */
  readonly query: string;
  readonly host: string;
  /** Null where none was found. */
  readonly route: string | null;
  readonly cluster: string | null;
  /** Address and port of the endpoint of the last try. */
  readonly upstream: string | null;
  /** As the caller saw it; 0 is no answer. */
  readonly status: number;
  /** Envoy's response flags and ours. */
  readonly flags: readonly string[];
  /** `via_upstream`, or why the answer was made here. */
  readonly detail: string;
  /** The flags in words; null where there is none. */
  readonly reason: string | null;
  readonly durationMs: number;
  readonly tries: readonly TryRecord[];
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly requestId: string | null;
  readonly traceId: string | null;
  /** Missing where they were not asked for. */
  readonly headers?: {
    readonly request: readonly HeaderPair[];
    readonly response: readonly HeaderPair[];
  };
}

export type HeaderPair = readonly [name: string, value: string];

export interface TryRecord {
  /** Null where none was chosen. */
  readonly upstream: string | null;
  /** From the request's start. */
  readonly startMs: number;
  readonly durationMs: number;
  /** 0 where no answer came. */
  readonly status: number;
  /** A failure's code; null for an answer, and where the request ended in the middle of the try. */
  readonly failure: string | null;
}

/** Which part of the policy decided, and which line of which file asked for it. */
export interface PolicyPlace {
  /** JSON pointer (RFC 6901) into the Snapshot. */
  readonly pointer: string;
  /** What stands there; null where nothing does. */
  readonly value: unknown;
  /** Of the part, or of the nearest one that holds it; null where no line led to it. */
  readonly origin: Origin | null;
  /** The line asks for this very part: else it is a default, or follows from the line. */
  readonly isWritten: boolean;
}

/** A request that was refused or failed, with what is known of the reason. */
export interface FailedRequest extends RequestRecord {
  /** What it can be asked for by where it has no other id: unique in its sidecar. */
  readonly key: string;
  /** The version of the Snapshot that it met. */
  readonly version: string;
  /**
   * The failure's code (`breaker-open`), or what a filter says (`rate_limited`); `via_upstream` for
   * an answer that the upstream gave, `caller-left` where nobody waited for one.
   */
  readonly cause: string;
  /** The filter that answered; null where none did. */
  readonly filter: FilterRecord | null;
  /** What was decided by; empty for what no policy changes. */
  readonly policy: readonly PolicyPlace[];
  /** Of the cluster when the request ended; null where it has none or the request had none. */
  readonly breaker: "closed" | "open" | "half-open" | null;
  /** Told instead of the plain answer: a canned answer, the last good one. */
  readonly answeredBy: "upstream" | "here" | "fallback" | "last-good" | "nobody";
}

export interface FilterRecord {
  readonly name: string;
  /** In the route's filters, from 0. */
  readonly index: number;
  /** Of a rate limit. */
  readonly limit: string | null;
  /** It is in force since `outrigger fault`, and in no file. */
  readonly isRuntimeFault: boolean;
}
