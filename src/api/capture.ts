/**
 * `outrigger capture`: what is asked for (the body of the admin API's `POST /capture`), and what is
 * kept: JSON lines, each a `CaptureLine`. Of a request it holds what its allow lists name; a header
 * or a query parameter that is on none is left out, name and all, and a body always is.
 */
import { parsePathPattern, PATH_EXPECTED } from "./path_pattern.ts";
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

/** Harmless in themselves, and what routes and filters often look at. */
export const CAPTURED_HEADERS: readonly string[] = [
  "accept",
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "access-control-request-headers",
  "access-control-request-method",
  "cache-control",
  "content-type",
  "location",
  "origin",
  "vary",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-request-id",
];

export const MAX_CAPTURE_BYTES = 1024 * 1024 * 1024;
/** An hour. */
export const MAX_CAPTURE_MS = 3_600_000;
const MAX_NAMES = 100;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const KNOWN = ["ratio", "path", "methods", "headers", "query", "maxBytes", "durationMs"];

/** @returns a text: what is wrong with it */
export function readCaptureOrder(value: unknown): CaptureOrder | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "an object was expected";
  }
  const unknown = Object.keys(value).find((key) => !KNOWN.includes(key));
  if (unknown !== undefined) return `"${unknown}" is not known; known are: ${KNOWN.join(", ")}`;
  const given = value as Readonly<Record<string, unknown>>;
  const { ratio = 1, path = null, maxBytes, durationMs } = given;
  if (!isNumber(ratio, 0, 1) || ratio === 0) return "ratio: a number above 0, up to 1 was expected";
  const match = typeof path === "string" ? parsePathPattern(path) : null;
  if (path !== null && match === null) return `path: ${PATH_EXPECTED} was expected`;
  if (!isNumber(maxBytes, 1, MAX_CAPTURE_BYTES)) {
    return `maxBytes: a number from 1 to ${MAX_CAPTURE_BYTES} was expected`;
  }
  if (!isNumber(durationMs, 1, MAX_CAPTURE_MS)) {
    return `durationMs: a number from 1 to ${MAX_CAPTURE_MS} was expected`;
  }
  for (const key of ["methods", "headers", "query"]) {
    const names = given[key] ?? [];
    if (!isNames(names)) return `${key}: at most ${MAX_NAMES} names were expected`;
    const bad = key === "query" ? undefined : names.find((name) => !TOKEN.test(name));
    if (bad !== undefined) return `${key}: "${bad.slice(0, 100)}" is no name`;
  }
  const list = (key: string): readonly string[] => (given[key] ?? []) as readonly string[];
  return {
    ...{ ratio, path: match, maxBytes, durationMs },
    methods: list("methods").map((name) => name.toUpperCase()),
    headers: [...new Set(list("headers").map((name) => name.toLowerCase()))].sort(),
    query: [...new Set(list("query"))].sort(),
  };
}

function isNames(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > MAX_NAMES) return false;
  return value.every((one) => typeof one === "string" && one !== "" && one.length <= 200);
}

function isNumber(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && value >= min && value <= max;
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
