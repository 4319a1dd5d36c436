/** Rate limits: how many requests of one kind may come in a time. */

/** The config of the filter `rate_limit`. */
export interface RateLimitPolicy {
  /** As metrics and answers name it. */
  readonly name: string;
  /** Requests that come back in `perMs`. */
  readonly requests: number;
  readonly perMs: number;
  /** Requests that may come at once. */
  readonly burst: number;
  readonly key: RateLimitKey;
  /** Keys that are remembered; the one used longest ago is forgotten first. */
  readonly maxKeys: number;
}

/** What requests are counted by: the whole route, or what they have in common. */
export type RateLimitKey =
  | { readonly by: "route" | "source" | "path" }
  | { readonly by: "header"; readonly header: string };

/** Plain JSON as a policy, or what is wrong with it. */
export function readRateLimit(value: Readonly<Record<string, unknown>>): RateLimitPolicy | string {
  const { name, requests, perMs, burst, key, maxKeys } = value;
  if (typeof name !== "string" || name === "") return "name: a text was expected";
  for (const [field, one] of Object.entries({ requests, burst, maxKeys })) {
    if (!Number.isInteger(one) || (one as number) < 1) {
      return `${field}: a whole number of at least 1 was expected`;
    }
  }
  if (typeof perMs !== "number" || !(perMs >= 1)) return "perMs: a number of at least 1 was expected";
  if (typeof key !== "object" || key === null) return "key: an object was expected";
  const { by, header } = key as { readonly by?: unknown; readonly header?: unknown };
  const known = by === "route" || by === "source" || by === "path";
  if (!known && !(by === "header" && typeof header === "string")) {
    return "key.by: route, source, path, or header with its name was expected";
  }
  return value as unknown as RateLimitPolicy;
}
