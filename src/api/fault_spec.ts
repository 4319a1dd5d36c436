import type { CheckReport, Infer } from "../schema/field.ts";
import { duration, integer, map, object, percent, size, text } from "../schema/field.ts";
import { DEFAULT_MAX_HELD, type FaultPolicy, lowerCased, MAX_HEADERS, MAX_HELD } from "./fault.ts";

/** The field `faults` of calls and routes. */

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

const bandwidth = object({
  rate: size({ min: "1B", max: "1Ti" })
    .about("Bytes a second of each answer's body; the callee is held back meanwhile.")
    .example("64Ki"),
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
  bandwidth: bandwidth
    .about("Lets answers out slowly; what the proxy answers itself comes at once.")
    .example({ rate: "64Ki", percent: "20%" })
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
    .about("As many are held at once, and slowed as many; further ones go on as they are. 1000.")
    .default(DEFAULT_MAX_HELD),
}).checkOf(["delay", "abort", "bandwidth", "headers"], checkFaults);

function checkFaults(
  value: {
    readonly delay?: unknown;
    readonly abort?: unknown;
    readonly bandwidth?: unknown;
    readonly headers: Readonly<Record<string, string>>;
  },
  report: CheckReport,
): void {
  if (value.delay === undefined && value.abort === undefined && value.bandwidth === undefined) {
    report("", "faults with neither delay, abort nor bandwidth", "add one of them");
  }
  if (Object.keys(value.headers).length > MAX_HEADERS) {
    report("headers", `more than ${MAX_HEADERS} headers`, "remove some");
  }
}

export type Faults = Infer<typeof faults>;

export function faultPolicy(faults: Faults): FaultPolicy {
  const { delay, abort, bandwidth, headers, maxHeld } = faults;
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
    ...(bandwidth === undefined
      ? {}
      : { bandwidth: { bytesPerSecond: bandwidth.rate, ratio: bandwidth.percent } }),
    headers: lowerCased(headers),
    maxHeld,
  };
}
