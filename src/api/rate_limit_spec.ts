import type { CheckReport, Infer } from "../schema/field.ts";
import { boolean, choice, duration, integer, object, oneOf, text } from "../schema/field.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import type { RateLimitKey, RateLimitPolicy, SharedLimitPolicy } from "./rate_limit.ts";
import type { PathMatch } from "./snapshot.ts";

/** The field `rateLimit` of calls, routes and rules. */

const MOST = 1_000_000_000;

const by = oneOf(
  choice(["route", "source", "path"]),
  object({
    header: text({
      pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
      expected: 'a header name such as "x-user"',
      maxLength: 256,
    })
      .about("Each value of this header has a limit of its own; all without it share one.")
      .example("x-user")
      .optional(),
    segments: integer({ min: 1, max: 100 })
      .about("Each beginning of a path has one, so many segments long: `2` is /users/7.")
      .example(2)
      .optional(),
    parameter: text({ pattern: /^[a-zA-Z][a-zA-Z0-9_]*$/, maxLength: 256 })
      .about("Each value of this segment has one: `id` of the route's path /users/{id}/orders.")
      .example("id")
      .optional(),
  }).check((value, report) => {
    const [first, second] = Object.keys(value);
    if (first === undefined) report("", "by nothing", "add header, segments or parameter");
    if (second !== undefined) report(second, `by both ${first} and ${second}`, "keep one");
  }),
);

const shared = object({
  redis: text({ pattern: LABEL_PATTERN, expected: LABEL_EXPECTED })
    .about("Which one: a name in `redis` of the Mesh, which says where it is.")
    .example("limits"),
  name: text({
    pattern: /^[a-zA-Z0-9][a-zA-Z0-9._/-]*$/,
    expected: 'a name such as "payment-api"',
    maxLength: 128,
  })
    .about(
      "Who writes the same name shares the limit, other Apps too. By default the sidecars of one " +
        "App share it, for this route or call.",
    )
    .example("payment-api")
    .optional(),
  timeout: duration({ min: "1ms", max: "10s" })
    .about(
      "How long a request waits for the Redis to answer. 20ms: a healthy one in the same network " +
        "takes less than one.",
    )
    .default("20ms")
    .example("50ms"),
  whenAway: choice(["local", "allow", "deny"])
    .about(
      "What holds while the Redis gives no answer: `local` (the default) lets each sidecar count " +
        "by itself, `allow` lets everything pass, `deny` answers 503.",
    )
    .default("local")
    .example("deny"),
});

export const rateLimit = object({
  requests: integer({ min: 1, max: MOST }).about("So many requests ...").example(100),
  per: duration({ min: "1ms", max: "24h" })
    .about("... in this time. 1s. They come back evenly, not all at its end.")
    .default("1s")
    .example("1m"),
  burst: integer({ min: 1, max: MOST })
    .about("As many may come at once after a pause. As many as `requests` by default.")
    .example(200)
    .optional(),
  by: by
    .about(
      "What is counted together: all requests of the `route` (the default), those of one " +
        "`source` address (behind `trustedHops` the one that they name), of one `path` without its query, " +
        "of one beginning or segment of a path, or with one value of a header.",
    )
    .default("route")
    .example("source")
    .example({ header: "x-user" }),
  maxKeys: integer({ min: 1, max: 1_000_000 })
    .about(
      "So many sources, paths or values are remembered; the one that was seen longest ago is " +
        "forgotten first, and starts anew. A shared Redis forgets one when its limit has filled " +
        "up again. 10000.",
    )
    .default(10_000),
  headers: boolean()
    .about(
      "Answers that pass say what is left, too: `ratelimit-limit`, `ratelimit-remaining` and " +
        "`ratelimit-reset` (seconds), as draft-ietf-httpapi-ratelimit-headers-03 has them.",
    )
    .default(false)
    .example(true),
  shared: shared
    .about("Sidecars share the limit through a Redis. By default each counts by itself.")
    .example({ redis: "limits", whenAway: "local" })
    .optional(),
});

export type RateLimit = Infer<typeof rateLimit>;

/** `path`: of the route, for the segment that a parameter is. */
export function rateLimitPolicy(spec: RateLimit, path?: PathMatch): RateLimitPolicy {
  const { requests, per, burst, maxKeys, headers } = spec;
  const key = keyOf(spec.by, path);
  const told = headers ? { headers } : {};
  const kept = spec.shared === undefined ? {} : { shared: sharedPolicy(spec.shared) };
  const counted = { requests, perMs: per, burst: burst ?? requests };
  return { name: nameOf(key), ...counted, key, maxKeys, ...told, ...kept };
}

function keyOf(written: RateLimit["by"], path: PathMatch | undefined): RateLimitKey {
  if (typeof written === "string") return { by: written };
  const { header, segments, parameter } = written;
  if (header !== undefined) return { by: "header", header: header.toLowerCase() };
  if (segments !== undefined) return { by: "segments", segments };
  const segment = segmentOf(parameter ?? "", path);
  // Said by `checkLimitKey`: such a file has a problem.
  if (parameter === undefined || segment === null) return { by: "route" };
  return { by: "parameter", parameter, segment };
}

/** Where a template has `{name}`, from 1; null where it has none. */
function segmentOf(name: string, path: PathMatch | undefined): number | null {
  if (path?.kind !== "template") return null;
  const at = path.value.split("/").indexOf(`{${name}}`);
  return at < 1 ? null : at;
}

function nameOf(key: RateLimitKey): string {
  switch (key.by) {
    case "header":
      return `header ${key.header}`;
    case "segments":
      return `segments ${key.segments}`;
    case "parameter":
      return `parameter ${key.parameter}`;
    default:
      return key.by;
  }
}

function sharedPolicy(spec: Infer<typeof shared>): SharedLimitPolicy {
  const { redis, name, timeout, whenAway } = spec;
  return { redis, ...(name === undefined ? {} : { name }), timeoutMs: timeout, whenAway };
}

/** A parameter is a segment of the route's path; a call has no path. */
export function checkLimitKey(
  limit: RateLimit | undefined,
  path: PathMatch | undefined,
  report: CheckReport,
): void {
  const key = limit?.by;
  if (key === undefined || typeof key === "string" || key.parameter === undefined) return;
  if (segmentOf(key.parameter, path) !== null) return;
  const [why, advice] =
    path === undefined
      ? ["a call has no path of its own", "count by segments"]
      : ["the path has no such segment", `write the path as /.../{${key.parameter}}/...`];
  report("rateLimit.by.parameter", `rateLimit.by: {${key.parameter}}, but ${why}`, advice);
}
