import type { CheckReport, Infer } from "../schema/field.ts";
import { duration, integer, map, object, percent, text } from "../schema/field.ts";

/** Faults: requests that are held or refused on purpose, to see how callers bear it. */

/** The config of the filter `fault`, and what the admin API takes at run time. */
export interface FaultPolicy {
  readonly delay: DelayPolicy | null;
  readonly abort: AbortPolicy | null;
  /** Only requests that have all of these, by lower-case name; values are compared as they are. */
  readonly headers: Readonly<Record<string, string>>;
  /** As many requests are held at once on a route; further ones are not delayed. */
  readonly maxHeld: number;
}

/** Uniform in [minMs, maxMs]; the same twice is a fixed delay. */
export interface DelayPolicy {
  readonly minMs: number;
  readonly maxMs: number;
  /** The part of the requests, 0 to 1. */
  readonly ratio: number;
}

export interface AbortPolicy {
  readonly status: number;
  readonly ratio: number;
}

/** A fault that was switched on at run time. */
export interface FaultOrder {
  readonly listener: string;
  /** One route's name; all of the listener where it is null. */
  readonly route: string | null;
  readonly fault: FaultPolicy;
  /** It ends by itself after this; null is until it is cleared. */
  readonly forMs: number | null;
}

export interface FaultStatus extends FaultOrder {
  /** Until it ends by itself. */
  readonly remainingMs: number | null;
}

export const MAX_DELAY_MS = 3_600_000;
export const DEFAULT_MAX_HELD = 1_000;
export const MAX_HELD = 100_000;
const MAX_HEADERS = 16;

// ---------------------------------------------------------------- the file's fields

const share = percent()
  .about("The part of the requests: `50%`, or `0.01%` for 1 of 10,000. All by default.")
  .default("100%")
  .example("50%");

const delay = object({
  fixed: duration({ min: "1ms", max: "1h" })
    .about("How long each is held. Either this or `min` and `max`.")
    .example("10s")
    .optional(),
  min: duration({ max: "1h" })
    .about("The shortest of delays that are chosen at random, evenly.")
    .example("100ms")
    .optional(),
  max: duration({ min: "1ms", max: "1h" })
    .about("The longest of delays that are chosen at random.")
    .example("2s")
    .optional(),
  percent: share,
}).checkOf(["fixed", "min", "max"], (value, report) => {
  const { fixed, min, max } = value;
  if (fixed !== undefined && (min !== undefined || max !== undefined)) {
    report("fixed", "a delay with both fixed and min or max", "keep what is meant");
  } else if (fixed === undefined && (min === undefined || max === undefined)) {
    report("", "a delay without a length", "add fixed: 10s, or min and max");
  } else if (min !== undefined && max !== undefined && max < min) {
    report("max", "max is shorter than min", "raise it");
  }
});

const abort = object({
  status: integer({ min: 400, max: 599 })
    .about("The answer's status. 503.")
    .default(503)
    .example(500),
  percent: share,
});

export const faults = object({
  delay: delay
    .about("Holds requests before they go on; the request's timeout runs meanwhile.")
    .example({ fixed: "10s", percent: "50%" })
    .optional(),
  abort: abort
    .about("Answers requests here, after their delay. The callee never sees them.")
    .example({ status: 503, percent: "10%" })
    .optional(),
  headers: map(text({ minLength: 0, maxLength: 1024 }), {
    key: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
    keyExpected: 'a header name such as "x-fault"',
    keyName: "HEADER",
  })
    .about("Only requests that have all of these headers with these values. All by default.")
    .default({})
    .example({ "x-fault": "slow" }),
  maxHeld: integer({ min: 1, max: MAX_HELD })
    .about("As many requests are held at once; further ones go on without a delay. 1000.")
    .default(DEFAULT_MAX_HELD),
}).checkOf(["delay", "abort", "headers"], checkFaults);

function checkFaults(
  value: {
    readonly delay?: unknown;
    readonly abort?: unknown;
    readonly headers: Readonly<Record<string, string>>;
  },
  report: CheckReport,
): void {
  if (value.delay === undefined && value.abort === undefined) {
    report("", "faults with neither delay nor abort", "add one of them");
  }
  if (Object.keys(value.headers).length > MAX_HEADERS) {
    report("headers", `more than ${MAX_HEADERS} headers`, "remove some");
  }
}

export type Faults = Infer<typeof faults>;

export function faultPolicy({ delay, abort, headers, maxHeld }: Faults): FaultPolicy {
  return {
    delay:
      delay === undefined
        ? null
        : {
            minMs: delay.fixed ?? delay.min ?? 0,
            maxMs: delay.fixed ?? delay.max ?? 0,
            ratio: delay.percent,
          },
    abort: abort === undefined ? null : { status: abort.status, ratio: abort.percent },
    headers: lowerCased(headers),
    maxHeld,
  };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

// ---------------------------------------------------------------- what comes from outside

/** Plain JSON as a policy, or what is wrong with it. What is missing has its default. */
export function readFaultPolicy(value: unknown): FaultPolicy | string {
  if (!isRecord(value)) return "a fault is an object";
  const { delay = null, abort = null, headers = {}, maxHeld = DEFAULT_MAX_HELD } = value;
  if (delay === null && abort === null) return "a fault needs a delay or an abort";
  const problem = delayProblem(delay) ?? abortProblem(abort) ?? headersProblem(headers);
  if (problem !== null) return problem;
  if (!isNumber(maxHeld, 1, MAX_HELD) || !Number.isInteger(maxHeld)) {
    return `maxHeld: a whole number from 1 to ${MAX_HELD} was expected`;
  }
  return {
    delay: delay as DelayPolicy | null,
    abort: abort as AbortPolicy | null,
    headers: lowerCased(headers as Record<string, string>),
    maxHeld,
  };
}

function delayProblem(delay: unknown): string | null {
  if (delay === null) return null;
  const bounds = `from 0 to ${MAX_DELAY_MS}`;
  if (!isRecord(delay)) return "delay: { minMs, maxMs, ratio } was expected";
  const { minMs, maxMs, ratio } = delay;
  if (!isNumber(minMs, 0, MAX_DELAY_MS)) return `delay.minMs: a number ${bounds} was expected`;
  if (!isNumber(maxMs, minMs, MAX_DELAY_MS)) {
    return `delay.maxMs: a number from minMs to ${MAX_DELAY_MS} was expected`;
  }
  return isNumber(ratio, 0, 1) ? null : "delay.ratio: a number from 0 to 1 was expected";
}

function abortProblem(abort: unknown): string | null {
  if (abort === null) return null;
  if (!isRecord(abort)) return "abort: { status, ratio } was expected";
  const { status, ratio } = abort;
  if (!isNumber(status, 400, 599) || !Number.isInteger(status)) {
    return "abort.status: a status from 400 to 599 was expected";
  }
  return isNumber(ratio, 0, 1) ? null : "abort.ratio: a number from 0 to 1 was expected";
}

function headersProblem(headers: unknown): string | null {
  if (!isRecord(headers)) return "headers: an object of texts was expected";
  const values = Object.values(headers);
  if (values.length > MAX_HEADERS) return `headers: at most ${MAX_HEADERS} were expected`;
  return values.every((one) => typeof one === "string") ? null : "headers: texts were expected";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && value >= min && value <= max;
}
