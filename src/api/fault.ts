/** Faults: requests that are held or refused on purpose, to see how callers bear it. */

/** The config of the filter `fault`, and what the admin API takes at run time. */
export interface FaultPolicy {
  readonly delay: DelayPolicy | null;
  readonly abort: AbortPolicy | null;
  /** Missing: answers come as fast as they do. */
  readonly bandwidth?: BandwidthPolicy;
  /** Only requests that have all of these, by lower-case name; values are compared as they are. */
  readonly headers: Readonly<Record<string, string>>;
  /** As many requests are held at once on a route, and slowed as many; further ones go on. */
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

/** Of each answer's body by itself. */
export interface BandwidthPolicy {
  readonly bytesPerSecond: number;
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
/** A month: also what a timer bears. */
export const MAX_FOR_MS = 2_000_000_000;
export const MAX_BYTES_PER_SECOND = 2 ** 40;
export const DEFAULT_MAX_HELD = 1_000;
export const MAX_HELD = 100_000;
export const MAX_HEADERS = 16;

// ---------------------------------------------------------------- what comes from outside

/** What `PUT /faults` takes, or what is wrong with it. */
export function readFaultOrder(value: unknown): FaultOrder | string {
  if (!isRecord(value)) return "an object was expected";
  const { listener, route = null, forMs = null } = value;
  if (typeof listener !== "string") return "listener: a listener's name was expected";
  if (route !== null && typeof route !== "string") return "route: a route's name was expected";
  if (forMs !== null && !isNumber(forMs, 1, MAX_FOR_MS)) {
    return `forMs: a number from 1 to ${MAX_FOR_MS} was expected`;
  }
  const fault = readFaultPolicy(value.fault);
  return typeof fault === "string" ? fault : { listener, route, fault, forMs };
}

/** Plain JSON as a policy, or what is wrong with it. What is missing has its default. */
export function readFaultPolicy(value: unknown): FaultPolicy | string {
  if (!isRecord(value)) return "a fault is an object";
  const { delay = null, abort = null, headers = {}, maxHeld = DEFAULT_MAX_HELD } = value;
  const { bandwidth = null } = value;
  if (delay === null && abort === null && bandwidth === null) {
    return "a fault needs a delay, an abort or a bandwidth";
  }
  const problem =
    delayProblem(delay) ??
    abortProblem(abort) ??
    bandwidthProblem(bandwidth) ??
    headersProblem(headers);
  if (problem !== null) return problem;
  if (!isNumber(maxHeld, 1, MAX_HELD) || !Number.isInteger(maxHeld)) {
    return `maxHeld: a whole number from 1 to ${MAX_HELD} was expected`;
  }
  return {
    delay: delay as DelayPolicy | null,
    abort: abort as AbortPolicy | null,
    ...(bandwidth === null ? {} : { bandwidth: bandwidth as BandwidthPolicy }),
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

function bandwidthProblem(bandwidth: unknown): string | null {
  if (bandwidth === null) return null;
  if (!isRecord(bandwidth)) return "bandwidth: { bytesPerSecond, ratio } was expected";
  const { bytesPerSecond, ratio } = bandwidth;
  if (!isNumber(bytesPerSecond, 1, MAX_BYTES_PER_SECOND)) {
    return `bandwidth.bytesPerSecond: a number from 1 to ${MAX_BYTES_PER_SECOND} was expected`;
  }
  return isNumber(ratio, 0, 1) ? null : "bandwidth.ratio: a number from 0 to 1 was expected";
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

export function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
