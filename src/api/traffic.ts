import type { Infer } from "../schema/field.ts";
import {
  choice,
  cpu,
  duration,
  integer,
  list,
  map,
  object,
  percent,
  size,
  text,
} from "../schema/field.ts";
import type { Node } from "../schema/node.ts";
import { nodeAt } from "../schema/node.ts";
import type { CheckReport } from "../schema/field.ts";
import { FRAMING_HEADERS } from "./framing_headers.ts";
import type { FallbackTrigger, RetryCondition } from "./snapshot.ts";

/**
 * Fields about requests that calls, routes and the Mesh's rules share. A field that nobody wrote
 * means the plainest behaviour: no timeout, no retry, no breaker, no canned answer.
 */

export const RETRY_CONDITIONS = [
  "5xx",
  "gateway-error",
  "retriable-4xx",
  "reset",
  "connect-failure",
] as const satisfies readonly RetryCondition[];

export const FALLBACK_TRIGGERS = [
  "open",
  "exhausted",
  "overflow",
  "timeout",
  "no-endpoint",
] as const satisfies readonly FallbackTrigger[];

export const timeout = duration({ max: "24h" })
  .about(
    "How long the whole request may take, with all its tries; then the answer is 504. " +
      "`0` is none, the default: nothing is cut short that worked before.",
  )
  .default("0s")
  .example("2s");

export const streamIdleTimeout = duration({ max: "24h" })
  .about(
    "How long a request may go without a byte in either direction; then it is ended. " +
      "`0` is none, the default: a slow answer that worked before still works.",
  )
  .default("0s")
  .example("30s");

export const responseValidation = choice(["strict", "tolerant"])
  .about(
    "What becomes of an answer with a malformed header. `strict`, the default: it is answered 502 " +
      "with the reason and the header's name. `tolerant`: what is safe is repaired and counted " +
      "(docs/malformed_messages.md lists it); what says where an answer ends never is. " +
      "`outrigger tap --malformed` finds such headers on live traffic before `strict` is set.",
  )
  .default("strict")
  .example("tolerant");

const backoff = object({
  base: duration({ min: "1ms", max: "1m" })
    .about(
      "The wait before the first retry is chosen at random between 0 and this, and doubles with " +
        "each further one. 25ms, as Envoy has it: a short hiccup passes without being felt.",
    )
    .default("25ms"),
  max: duration({ min: "1ms", max: "10m" })
    .about("No wait is chosen from more than this. 250ms, ten times the base, as Envoy has it.")
    .default("250ms"),
}).checkOf(["base", "max"], (value, report) => {
  if (value.max < value.base) report("max", "max is shorter than base", "raise it");
});

export const retry = object({
  attempts: integer({ min: 1, max: 10 })
    .about(
      "Tries besides the first. 1 by default: the second try finds another endpoint, and more " +
        "multiply the load on something that is ill.",
    )
    .default(1)
    .example(2),
  on: list(
    choice(RETRY_CONDITIONS, {
      later: { "refused-stream": "HTTP/1.1 has no such thing, and HTTP/2 is not there" },
    }),
    { min: 1, unique: true },
  )
    .about(
      "What is tried again: `5xx` (any such status, and no answer at all), `gateway-error` (502, " +
        "503, 504), `retriable-4xx` (409), `reset` (the connection broke before an answer), " +
        "`connect-failure`. By default what is known not to come from the app's own code.",
    )
    .default(["gateway-error", "reset", "connect-failure"])
    .example(["5xx", "reset", "connect-failure"]),
  perTryTimeout: duration({ max: "24h" })
    .about("How long one try may take. `0` is none, the default: `timeout` bounds them all.")
    .default("0s")
    .example("500ms"),
  budget: percent()
    .about(
      "Retries in flight are at most this part of the requests in flight, so that retries never " +
        "become a storm; three are always allowed. 20%, as Envoy and Linkerd have it.",
    )
    .default("20%"),
  backoff: backoff.about("The wait before a retry, with full jitter.").default({}),
  methods: choice(["idempotent", "all"])
    .about(
      "`idempotent`: GET, HEAD, OPTIONS, TRACE, PUT and DELETE (RFC 9110, 9.2.2), the default, " +
        "for a repeated POST may buy twice. `all`: the callee is known to bear repeats.",
    )
    .default("idempotent"),
  maxBody: size({ max: "16Mi" })
    .about(
      "A request with a larger body is sent once and not tried again, for it would have to be " +
        "kept in memory until the answer comes. 64Ki holds nearly every API call.",
    )
    .default("64Ki"),
  maxRetryAfter: duration({ max: "1h" })
    .about(
      "An answer's Retry-After up to this is waited for; after a longer one there is no retry, " +
        "and the caller gets the answer. `0` does not look at it. 1s: callers wait meanwhile.",
    )
    .default("1s")
    .example("5s"),
});

export const breaker = object({
  errorRate: percent({ min: "1%" })
    .about(
      "The breaker opens when this part of the tries in the window failed (a 5xx, a reset, a " +
        "timeout, no connection). 50%: half of the answers are lost anyway.",
    )
    .default("50%")
    .example("25%"),
  slowCallDuration: duration({ min: "1ms", max: "10m" })
    .about("A try whose answer takes at least this is slow. None is by default.")
    .example("1s")
    .optional(),
  slowCallRate: percent({ min: "1%" })
    .about(
      "The breaker opens too when this part of the tries in the window was slow, whatever they " +
        "answered. 50%. It needs `slowCallDuration`.",
    )
    .default("50%")
    .example("80%"),
  minRequests: integer({ min: 1, max: 1_000_000 })
    .about(
      "Tries that the window must hold before the rate counts. 20: one error in three is chance.",
    )
    .default(20),
  window: duration({ min: "100ms", max: "10m" })
    .about("How far back tries count. 10s: long enough to count, short enough to act.")
    .default("10s"),
  openFor: duration({ min: "10ms", max: "1h" })
    .about("How long it stays open before probes are let through. 5s: about a process restart.")
    .default("5s"),
  halfOpenRequests: integer({ min: 1, max: 1000 })
    .about(
      "Probes at once while it is half-open; as many successes close it, one failure opens it " +
        "again. 3: one good answer of something flaky proves nothing.",
    )
    .default(3),
});

const adaptive = object({
  min: integer({ min: 1, max: 100_000 })
    .about("Never fewer in flight, and as many while it measures. 3, as Envoy has it.")
    .default(3)
    .example(5),
  max: integer({ min: 1, max: 1_000_000 })
    .about("Never more in flight. 1000, as Envoy has it.")
    .default(1000)
    .example(200),
  percentile: percent({ min: "1%" })
    .about("Which of a window's answer times counts. 50%: half of them are faster.")
    .default("50%"),
  window: duration({ min: "10ms", max: "1m" })
    .about("How often the limit is set anew. 100ms, as Envoy has it.")
    .default("100ms"),
  measureEvery: duration({ min: "1s", max: "24h" })
    .about(
      "How often the time without a queue is measured, with `min` in flight, so that load of " +
        "others or a new version is noticed. 60s, as Envoy has it.",
    )
    .default("60s"),
  jitter: percent()
    .about("Up to this part of `measureEvery` later, at random: not all callers at once. 10%.")
    .default("10%"),
  measureRequests: integer({ min: 1, max: 1000 })
    .about("How many answers a measurement takes. 50, as Envoy has it.")
    .default(50),
  tolerance: percent({ max: "1000%" })
    .about("So much slower than the measured time, or 1 ms, is no queue yet. 25%, as in Envoy.")
    .default("25%"),
}).checkOf(["min", "max"], (value, report) => {
  if (value.max < value.min) report("max", "max is less than min", "raise it");
});

export const limits = object({
  maxConnections: integer({ min: 1, max: 1_000_000 })
    .about("Connections to the callee. 1024, as Envoy has it.")
    .default(1024)
    .example(100),
  maxPendingRequests: integer({ min: 0, max: 1_000_000 })
    .about("Requests that wait for a connection. 1024, as Envoy has it.")
    .default(1024)
    .example(50),
  maxRequests: integer({ min: 1, max: 1_000_000 })
    .about("Requests in flight. 1024, as Envoy has it.")
    .default(1024)
    .example(200),
  maxRetries: integer({ min: 0, max: 1_000_000 })
    .about("Retries in flight or planned, of all callers. By default the budget alone bounds them.")
    .example(10)
    .optional(),
  adaptive: adaptive
    .about(
      "Finds by itself how many requests in flight the callee bears: the limit follows how its " +
        "answer times relate to those without a queue, which are measured now and then. What is " +
        "above is answered 503 at once (flag AC), so who is let in is answered quickly. `{}` is " +
        "enough. None by default.",
    )
    .example({})
    .optional(),
});

export const headers = map(
  // RFC 9110, 5.5: visible characters, spaces and tabs.
  text({
    pattern: /^[\t\x20-\x7e\x80-\uffff]*$/,
    expected: "a header value without line breaks",
    minLength: 0,
    maxLength: 8192,
    scalars: true,
  }),
  {
    key: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
    keyExpected: 'a header name such as "content-type"',
    keyName: "HEADER",
    max: 100,
  },
).check((value, report) => {
  const seen = new Map<string, string>();
  for (const name of Object.keys(value)) {
    const lower = name.toLowerCase();
    if (FRAMING_HEADERS.has(lower)) {
      report([name], `${name} is written by the proxy itself`, "remove it");
    }
    const first = seen.get(lower);
    if (first !== undefined) {
      report([name], `${name} is ${first} again`, "remove one of them");
    }
    seen.set(lower, name);
  }
});

export const fallback = object({
  on: list(choice(FALLBACK_TRIGGERS), { min: 1, unique: true })
    .about(
      "When the answer below is given instead of an error: `open` (the breaker is), `exhausted` " +
        "(the last try failed too), `overflow` (a limit is reached), `timeout` (of the whole " +
        "request), `no-endpoint` (nobody to ask). All of them by default: who writes an answer " +
        "wants it given.",
    )
    .default([...FALLBACK_TRIGGERS])
    .example(["open", "exhausted"]),
  lastGood: object({
    maxAge: duration({ min: "1s", max: "7d" })
      .about("An older answer is not given; `stale-if-error` in it may say less. 10m.")
      .default("10m")
      .example("1h"),
    maxBytes: size({ min: "16Ki", max: "1Gi" })
      .about("Memory for all of them; the least used go first. One may take a quarter. 8Mi.")
      .default("8Mi"),
    maxEntries: integer({ min: 1, max: 100_000 }).about("How many are kept. 1000.").default(1000),
  })
    .about(
      "Keeps the last good answer (200 to a GET) by host, path, query and what `vary` names, and " +
        "gives it instead of the answer below while it is young enough, with `age` and " +
        "`x-outrigger-stale: SECONDS`. Never kept: what came with credentials or cookies, and " +
        "what its `cache-control` forbids. Nothing is kept by default.",
    )
    .example({})
    .optional(),
  status: integer({ min: 200, max: 599, expected: "a status from 200 to 599" })
    .about("The answer's status. 200: callers take it as an answer like any other.")
    .default(200),
  headers: headers
    .about("The answer's headers; `content-length` is added. None by default.")
    .default({})
    .example({ "content-type": "application/json" }),
  body: text({ minLength: 0, maxLength: 65_536, expected: "a text of at most 65536 characters" })
    .about("The answer's body, in UTF-8, at most 64 KiB for it stays in memory. Empty by default.")
    .default("")
    .example('{"items":[],"degraded":true}'),
}).checkOf(["status", "body"], (value, report) => {
  if ((value.status === 204 || value.status === 304) && value.body !== "") {
    report("body", `an answer with status ${value.status} has no body`, "remove one of the two");
  }
});

export type Retry = Infer<typeof retry>;
export type Breaker = Infer<typeof breaker>;
export type Limits = Infer<typeof limits>;
export type Fallback = Infer<typeof fallback>;

/** What retries, timeouts and canned answers of one call, route or rule must not contradict. */
export function checkRequestPolicy(
  value: { readonly timeout: number; readonly retry?: Retry | undefined },
  report: CheckReport,
): void {
  const perTry = value.retry?.perTryTimeout ?? 0;
  if (value.timeout > 0 && perTry > value.timeout) {
    report(
      "retry.perTryTimeout",
      "retry.perTryTimeout is longer than timeout, so it never ends a try",
      "make it shorter, or the timeout longer",
    );
  }
}

/** A trigger that was written and can never come; by default all are listed: no mistake. */
export function checkOpenTrigger(node: Node, hasBreaker: boolean, report: CheckReport): void {
  const on = nodeAt(node, ["fallback", "on"]);
  if (hasBreaker || on === undefined || on.kind !== "list") return;
  const index = on.items.findIndex((item) => item.kind === "text" && item.value === "open");
  if (index < 0) return;
  report(
    ["fallback", "on", index],
    'fallback.on: "open" never comes, for there is no breaker',
    "add breaker: {} to the call, or remove it",
  );
}

export const computeResources = object({
  cpu: cpu({ min: "1m" })
    .about("CPU that is reserved; thousandths of a core.")
    .example("250m")
    .optional(),
  memory: size({ min: "4Mi" })
    .about("Memory that is reserved, and the limit above which it is killed.")
    .example("256Mi")
    .optional(),
});
