import type { Infer } from "../schema/field.ts";
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  map,
  object,
  oneOf,
  percent,
  text,
} from "../schema/field.ts";
import type { CheckReport } from "../schema/field.ts";
import { LABEL_EXPECTED, LABEL_PATTERN, endpoint, label } from "./names.ts";
import type { BalancePolicyName } from "./snapshot.ts";

/** Fields about how a call's endpoints are found and chosen. */

const BALANCE_POLICIES = [
  "round-robin",
  "least-request",
  "peak-ewma",
  "random",
  "ring-hash",
  "maglev",
] as const satisfies readonly BalancePolicyName[];

const labels = map(text({ maxLength: 63, scalars: true }), {
  key: LABEL_PATTERN,
  keyExpected: LABEL_EXPECTED,
  keyName: "LABEL",
  max: 20,
});

export const subset = labels
  .about("Only endpoints that carry all of these labels; the labels stand at `endpoints`.")
  .example({ version: "v2" })
  .optional();

/** An address with a port, or the same with what else is known of it. */
export const describedEndpoint = oneOf(
  endpoint(),
  object({
    address: endpoint().about("An IP address with a port.").example("10.0.0.1:80"),
    weight: integer({ min: 1, max: 1000 })
      .about("Its share of the sum of all weights. 1.")
      .default(1)
      .example(3),
    zone: label().about("Where it runs, for `balance.locality`.").optional().example("eu-1"),
    labels: labels.about("For `subset`.").optional().example({ version: "v2" }),
  }).as(({ address, weight, zone, labels: carried }) => ({
    ...address,
    ...(weight === 1 ? {} : { weight }),
    ...(zone === undefined ? {} : { zone }),
    ...(carried === undefined ? {} : { labels: carried }),
  })),
);

const hashBy = object({
  header: text({
    pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
    expected: 'a header name such as "x-user"',
    maxLength: 100,
  })
    .about("The value of this header.")
    .example("x-user")
    .optional(),
  cookie: text({
    pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
    expected: 'the name of a cookie such as "session"',
    maxLength: 100,
  })
    .about("The value of this cookie.")
    .example("session")
    .optional(),
  source: boolean()
    .about("The address that the request came from, as the sidecar sees it.")
    .optional()
    .example(true),
}).check((value, report) => {
  const { header, cookie, source } = value;
  const named = [header !== undefined, cookie !== undefined, source === true];
  if (named.filter(Boolean).length !== 1) {
    report("", "hashBy takes one key", "keep one of header: NAME, cookie: NAME, source: true");
  }
});

const locality = object({
  zone: label().about("The zone of the caller: its endpoints come first.").example("eu-1"),
  failover: list(label(), { max: 20, unique: true })
    .about("The zones that come next, in this order; after them all others.")
    .default([])
    .example(["eu-2"]),
  spillBelow: percent({ min: "1%" })
    .about(
      "While at least this part of a zone is healthy it serves alone; below, the missing part " +
        "goes to the next. 70%, about what Envoy has (1/1.4).",
    )
    .default("70%"),
}).checkOf(["zone", "failover"], (value, report) => {
  if (value.failover.includes(value.zone)) {
    report("failover", `${value.zone} comes first anyway`, "remove it from failover");
  }
});

export const balance = oneOf(
  choice(BALANCE_POLICIES),
  object({
    policy: choice(BALANCE_POLICIES)
      .about(
        "`round-robin`: each in turn, by weight. `least-request`: of two at random the one with " +
          "fewer in flight. `peak-ewma`: of two the one that lately answered faster. `random`. " +
          "`ring-hash`, `maglev`: the same key to the same endpoint.",
      )
      .default("round-robin"),
    hashBy: hashBy
      .about(
        "The key for `ring-hash` and `maglev`. A request without it goes anywhere, at random.",
      )
      .optional(),
    slowStart: duration({ max: "1h" })
      .about(
        "An endpoint that is new or comes back gets a tenth of its share first, all of it after " +
          "this. `0`, the default: all at once. Keys of `ring-hash` and `maglev` do not move.",
      )
      .default("0s")
      .example("30s"),
    panicBelow: percent()
      .about(
        "When less than this part is healthy, all are used: a check that errs must not put the " +
          "whole load on few. 0%, the default: only when none is healthy.",
      )
      .default("0%")
      .example("30%"),
    locality: locality
      .about("Prefers endpoints that are near. None by default: all zones are alike.")
      .optional(),
  }),
);

/** A hash needs a key, and nothing else does. */
export function checkBalance(
  value: { readonly balance: Balance; readonly subset?: unknown; readonly endpoints?: unknown },
  report: CheckReport,
): void {
  const { balance: written } = value;
  const isText = typeof written === "string";
  const policy = isText ? written : written.policy;
  const hashes = policy === "ring-hash" || policy === "maglev";
  const key = isText ? undefined : written.hashBy;
  if (hashes && key === undefined) {
    const advice = `write balance: { policy: ${policy}, hashBy: { header: x-user } }`;
    report("balance", `${policy} without hashBy: there is no key to go by`, advice);
  }
  if (!hashes && key !== undefined) {
    report("balance.hashBy", `${policy} does not go by a key`, "remove it, or use ring-hash");
  }
  if (value.subset !== undefined && value.endpoints === undefined) {
    const advice = "add endpoints, or remove it";
    report("subset", "subset without endpoints: nothing carries labels", advice);
  }
}

export type Balance = Infer<typeof balance>;
