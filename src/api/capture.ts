/**
 * `outrigger capture`: what is asked for (`capture_order.ts` reads it), and what is kept: JSON lines,
 * each a `CaptureLine`. Of a request it holds what its allow lists name; a header
 * or a query parameter that is on none is left out, name and all, and a body always is.
 */
import type { PathMatch, Snapshot, WorkloadRef } from "./snapshot.ts";

export interface CaptureOrder {
  /** The part of the requests, above 0 to 1, by chance. */
  readonly ratio: number;
  /** Null is any. */
  readonly path: PathMatch | null;
  /** One of these; any where it is empty. */
  readonly methods: readonly string[];
  /** Names in lower case, of requests' and answers' headers. */
  readonly headers: readonly string[];
  /** Names of query parameters; `*` is all of them. */
  readonly query: readonly string[];
  /** Of all lines; then the answer ends. */
  readonly maxBytes: number;
  readonly durationMs: number;
}

export type CaptureLine =
  | { readonly capture: CaptureHead }
  /** Of the requests that follow with its version. */
  | { readonly snapshot: Snapshot }
  | { readonly request: CapturedRequest }
  /** So many requests were sampled and not kept. */
  | { readonly lost: number };

/** The first line. */
export interface CaptureHead {
  readonly format: 1;
  readonly workload: WorkloadRef;
  /** Wall clock. */
  readonly timeMs: number;
  readonly ratio: number;
  readonly headers: readonly string[];
  readonly query: readonly string[];
}

/** Values of headers as they were, several of one name joined by ", "; names in lower case. */
export type CapturedHeaders = Readonly<Record<string, string>>;

export interface CapturedRequest {
  /** Of its start; wall clock. */
  readonly timeMs: number;
  /** Of the Snapshot that it met. */
  readonly version: string;
  readonly listener: string;
  readonly method: string;
  readonly host: string;
  /** As it was asked for, with what is allowed of the query. */
  readonly target: string;
  readonly headers: CapturedHeaders;
  readonly bodyBytes: number;
  /** Address of the caller's connection. */
  readonly peer: string;
  readonly tls: boolean;
  /** Null where none was found. */
  readonly route: string | null;
  readonly cluster: string | null;
  /** As the filters left it, before its first try; null where there was none. */
  readonly sent: SentRequest | null;
  /** As the caller saw it; 0 is no answer. */
  readonly status: number;
  /** Envoy's response flags and ours, joined by commas. */
  readonly flags: string;
  /** `via_upstream`, or why the answer was made here. */
  readonly detail: string;
  /** Of the answer, behind the filters. */
  readonly answerHeaders: CapturedHeaders;
}

export interface SentRequest {
  readonly host: string;
  readonly target: string;
  readonly headers: CapturedHeaders;
}

/** The target with the parameters of its query that are allowed, in their order. */
export function allowedTarget(target: string, query: ReadonlySet<string>): string {
  const at = target.indexOf("?");
  if (at < 0 || query.has("*")) return target;
  const kept = target
    .slice(at + 1)
    .split("&")
    .filter((one) => query.has(parameterName(one)));
  return kept.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${kept.join("&")}`;
}

function parameterName(parameter: string): string {
  const name = parameter.split("=", 1)[0]!;
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}
