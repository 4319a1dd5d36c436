import type { Infer } from "../schema/field.ts";
import { choice, duration, integer, object, oneOf, text } from "../schema/field.ts";
import type { RateLimitKey, RateLimitPolicy } from "./rate_limit.ts";

/** The field `rateLimit` of calls and routes. */

const MOST = 1_000_000_000;

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
  by: oneOf(
    choice(["route", "source", "path"]),
    object({
      header: text({
        pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
        expected: 'a header name such as "x-user"',
        maxLength: 256,
      })
        .about("Each value of this header has a limit of its own; all without it share one.")
        .example("x-user"),
    }),
  )
    .about(
      "What is counted together: all requests of the `route` (the default), those of one `source` " +
        "address, of one `path` without its query, or with one value of a header.",
    )
    .default("route")
    .example("source")
    .example({ header: "x-user" }),
  maxKeys: integer({ min: 1, max: 1_000_000 })
    .about(
      "So many sources, paths or values are remembered; the one that was seen longest ago is " +
        "forgotten first, and starts anew. 10000.",
    )
    .default(10_000),
});

export type RateLimit = Infer<typeof rateLimit>;

export function rateLimitPolicy(spec: RateLimit): RateLimitPolicy {
  const { requests, per, burst, by, maxKeys } = spec;
  const key: RateLimitKey =
    typeof by === "string" ? { by } : { by: "header", header: by.header.toLowerCase() };
  const name = key.by === "header" ? `header ${key.header}` : key.by;
  return { name, requests, perMs: per, burst: burst ?? requests, key, maxKeys };
}
