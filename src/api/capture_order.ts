/** What a capture is to hold: the body of the admin API's `POST /capture`. */
import type { CaptureOrder } from "./capture.ts";
import { PATH_EXPECTED, readPathPattern } from "./path_pattern.ts";

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
  const match = typeof path === "string" ? readPathPattern(path) : null;
  if (typeof match === "string") return `path: ${match}`;
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
