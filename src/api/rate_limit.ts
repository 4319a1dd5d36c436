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
  /** Answers that pass say what is left, too; missing: refusals alone do. */
  readonly headers?: boolean;
  /** Missing: this process counts by itself. */
  readonly shared?: SharedLimitPolicy;
}

/** What requests are counted by: the whole route, or what they have in common. */
export type RateLimitKey =
  | { readonly by: "route" | "source" | "path" }
  | { readonly by: "header"; readonly header: string }
  /** The first so many segments of the path. */
  | { readonly by: "segments"; readonly segments: number }
  /** One segment of the path, from 1: where the route's template has this name. */
  | { readonly by: "parameter"; readonly parameter: string; readonly segment: number };

/** A limit that sidecars share: a Redis counts, by its own clock. */
export interface SharedLimitPolicy {
  /** A name in the Snapshot's `bindings.redis`. */
  readonly redis: string;
  /** Who has the same one shares the limit; missing: the sidecars of one workload and route. */
  readonly name?: string;
  /** How long a request waits for its answer. */
  readonly timeoutMs: number;
  /** What becomes of a request that Redis gave no answer for. */
  readonly whenAway: WhenAway;
}

/** `allow` lets it pass, `deny` answers 503, `local` lets this process count by itself. */
export type WhenAway = "allow" | "deny" | "local";

/** Plain JSON as a policy, or what is wrong with it. */
export function readRateLimit(value: Readonly<Record<string, unknown>>): RateLimitPolicy | string {
  const { name, requests, perMs, burst, key, maxKeys, headers, shared } = value;
  if (typeof name !== "string" || name === "") return "name: a text was expected";
  for (const [field, one] of Object.entries({ requests, burst, maxKeys })) {
    if (!isCount(one)) return `${field}: a whole number of at least 1 was expected`;
  }
  if (typeof perMs !== "number" || !(perMs >= 1)) {
    return "perMs: a number of at least 1 was expected";
  }
  if (typeof key !== "object" || key === null) return "key: an object was expected";
  const wrong = keyProblem(key as Readonly<Record<string, unknown>>);
  if (wrong !== null) return wrong;
  if (headers !== undefined && typeof headers !== "boolean") {
    return "headers: true or false was expected";
  }
  const problem = shared === undefined ? null : sharedProblem(shared);
  return problem ?? (value as unknown as RateLimitPolicy);
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1;
}

function keyProblem(key: Readonly<Record<string, unknown>>): string | null {
  switch (key.by) {
    case "route":
    case "source":
    case "path":
      return null;
    case "header":
      if (typeof key.header === "string" && key.header !== "") return null;
      return "key.header: a name was expected";
    case "segments":
      return isCount(key.segments) ? null : "key.segments: a whole number was expected";
    case "parameter":
      if (typeof key.parameter === "string" && isCount(key.segment)) return null;
      return "key.parameter: a name and its segment were expected";
    default:
      return "key.by: route, source, path, segments, parameter, or header was expected";
  }
}

function sharedProblem(shared: unknown): string | null {
  if (typeof shared !== "object" || shared === null) return "shared: an object was expected";
  const { redis, name, timeoutMs, whenAway } = shared as Readonly<Record<string, unknown>>;
  if (typeof redis !== "string" || redis === "") return "shared.redis: a name was expected";
  if (name !== undefined && (typeof name !== "string" || name === "")) {
    return "shared.name: a text was expected";
  }
  if (typeof timeoutMs !== "number" || !(timeoutMs > 0)) {
    return "shared.timeoutMs: a number above 0 was expected";
  }
  if (whenAway === "allow" || whenAway === "deny" || whenAway === "local") return null;
  return "shared.whenAway: allow, deny or local was expected";
}
