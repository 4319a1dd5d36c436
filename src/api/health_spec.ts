import type { Infer } from "../schema/field.ts";
import { duration, integer, list, number, object, percent, text } from "../schema/field.ts";

/** Fields about which endpoints of a call are well. */

const successRate = object({
  minEndpoints: integer({ min: 2, max: 1000 })
    .about("So many endpoints must have had `minRequests`. 5: fewer have no common rate.")
    .default(5)
    .example(3),
  minRequests: integer({ min: 1, max: 1_000_000 })
    .about("Tries that an endpoint must have had in an interval. 100, as Envoy has it.")
    .default(100),
  deviations: number({ min: 0.1, max: 10 })
    .about(
      "Ejected is whose rate lies more than so many standard deviations below the mean of all. " +
        "1.9, as Envoy has it.",
    )
    .default(1.9),
});

export const outlier = object({
  consecutive5xx: integer({ min: 0, max: 1000 })
    .about(
      "So many tries in a row failed there, by a 5xx or without an answer. 5, as Envoy has it; " +
        "`0` is off.",
    )
    .default(5)
    .example(3),
  consecutiveGatewayErrors: integer({ min: 0, max: 1000 })
    .about("The same for 502, 503, 504 and no answer alone. 5; `0` is off.")
    .default(5),
  successRate: successRate
    .about("Ejects who fails clearly more often than the others. Off by default.")
    .optional(),
  interval: duration({ min: "100ms", max: "1h" })
    .about("Success rates are compared, and past ejections forgiven, this often. 10s.")
    .default("10s"),
  baseTime: duration({ min: "10ms", max: "1h" })
    .about(
      "How long the first ejection lasts; the next ones twice, three times as long, less again " +
        "with every interval that passes well. 30s: a restart fits.",
    )
    .default("30s")
    .example("5s"),
  maxTime: duration({ min: "10ms", max: "24h" })
    .about("No ejection lasts longer. 5m.")
    .default("5m"),
  maxEjected: percent()
    .about(
      "At most this part of the endpoints is ejected, though one always may be where there are " +
        "two. 50%: the rest must bear the load.",
    )
    .default("50%"),
}).checkOf(["baseTime", "maxTime"], (value, report) => {
  if (value.maxTime < value.baseTime) {
    report("maxTime", "maxTime is shorter than baseTime", "raise it");
  }
});

export const healthCheck = object({
  path: text({
    pattern: /^\/[^\s#]*$/,
    expected: 'a path such as "/healthz"',
    maxLength: 1024,
  })
    .about("A GET of this path. Without it a TCP connection that opens is enough.")
    .example("/healthz")
    .optional(),
  statuses: list(integer({ min: 100, max: 599, expected: "a status from 100 to 599" }), {
    min: 1,
    max: 100,
    unique: true,
  })
    .about("The statuses that are well. 200.")
    .default([200])
    .example([200, 204]),
  interval: duration({ min: "50ms", max: "1h" })
    .about(
      "From the end of one check to the next, a tenth more or less so that callers do not check " +
        "in step. 2s: an endpoint that is ill leaves within seconds.",
    )
    .default("2s")
    .example("5s"),
  timeout: duration({ min: "1ms", max: "10m" })
    .about("How long one check may take. 1s.")
    .default("1s"),
  unhealthyAfter: integer({ min: 1, max: 100 })
    .about("So many checks in a row must fail before it is left out. 3: one may be lost.")
    .default(3)
    .example(2),
  healthyAfter: integer({ min: 1, max: 100 })
    .about("So many in a row must succeed before it is back. 2.")
    .default(2),
});

export type HealthCheck = Infer<typeof healthCheck>;
export type Outlier = Infer<typeof outlier>;
