/** What a tap is to show: the query of the admin API's `GET /tap`. */
import { readPathPattern } from "./path_pattern.ts";
import type { PathMatch } from "./snapshot.ts";

/** All of it has to hold. */
export interface TapOrder {
  readonly path: PathMatch | null;
  readonly methods: readonly string[];
  /** `404`, or a class: `5xx`. `0` is no answer. One of them has to fit. */
  readonly statuses: readonly string[];
  /** Response flags; one of them has to be set. */
  readonly flags: readonly string[];
  /** Names in lower case; an empty value is any. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly route: string | null;
  readonly cluster: string | null;
  /** Only what was refused or failed. */
  readonly failed: boolean;
  readonly show: TapShow;
  /** It ends after so many requests; 0 is never. */
  readonly limit: number;
  /** It ends after this; 0 is never. */
  readonly durationMs: number;
}

export interface TapShow {
  /** `safe`: the values of harmless headers, and the names of all. `all`: secrets too. */
  readonly headers: "none" | "safe" | "all";
  readonly query: boolean;
}

export const MAX_TAP_LIMIT = 1_000_000;
/** A day. */
export const MAX_TAP_DURATION_MS = 86_400_000;
const MAX_MATCHES = 16;

const KNOWN = [
  ...["path", "method", "status", "flag", "header", "route", "cluster", "failed"],
  ...["show", "query", "limit", "durationMs"],
];

/**
 * Lists are separated by commas, headers (`NAME=VALUE`) by line feeds.
 * @returns a text: what is wrong with it
 */
export function readTapOrder(query: ReadonlyMap<string, string>): TapOrder | string {
  for (const name of query.keys()) {
    if (!KNOWN.includes(name)) return `"${name}" is not known; known are: ${KNOWN.join(", ")}`;
  }
  const list = (name: string): string[] => {
    const written = query.get(name) ?? "";
    return written === "" ? [] : written.split(",").map((one) => one.trim());
  };
  const statuses = list("status").map((one) => one.toLowerCase());
  const bad = statuses.find((one) => !/^([0-5]xx|0|[1-5][0-9][0-9])$/.test(one));
  if (bad !== undefined) return `status "${bad}" is neither a status nor a class such as 5xx`;
  const headers = headersOf(query.get("header") ?? "");
  if (typeof headers === "string") return headers;
  const written = query.get("path") ?? "";
  const path = written === "" ? null : readPathPattern(written);
  if (typeof path === "string") return `path is "${written}"; ${path}`;
  const show = query.get("show") ?? "none";
  if (show !== "none" && show !== "safe" && show !== "all") {
    return `show is "${show}"; none, safe or all was expected`;
  }
  const limit = numberOf(query.get("limit"), MAX_TAP_LIMIT);
  const durationMs = numberOf(query.get("durationMs"), MAX_TAP_DURATION_MS);
  if (limit === null) return `limit has to be a whole number up to ${MAX_TAP_LIMIT}`;
  if (durationMs === null) return `durationMs has to be whole, up to ${MAX_TAP_DURATION_MS}`;
  const methods = list("method").map((one) => one.toUpperCase());
  const flags = list("flag").map((one) => one.toUpperCase());
  const most = Math.max(methods.length, flags.length, statuses.length, headers.length);
  if (most > MAX_MATCHES) return `at most ${MAX_MATCHES} of a kind are taken`;
  return {
    ...{ path, methods, statuses, flags, headers, limit, durationMs },
    route: query.get("route") ?? null,
    cluster: query.get("cluster") ?? null,
    failed: query.get("failed") === "true",
    show: { headers: show, query: query.get("query") === "true" },
  };
}

function headersOf(written: string): [name: string, value: string][] | string {
  const headers: [string, string][] = [];
  for (const line of written.split("\n")) {
    if (line === "") continue;
    const at = line.indexOf("=");
    const name = (at < 0 ? line : line.slice(0, at)).trim().toLowerCase();
    if (name === "") return `header is "${line}"; NAME or NAME=VALUE was expected`;
    headers.push([name, at < 0 ? "" : line.slice(at + 1).trim()]);
  }
  return headers;
}

function numberOf(written: string | undefined, most: number): number | null {
  if (written === undefined || written === "") return 0;
  const value = Number(written);
  return Number.isInteger(value) && value >= 0 && value <= most ? value : null;
}
