import { type RateLimitKey, type RateLimitPolicy, readRateLimit } from "../../api/rate_limit.ts";
import { Failure } from "../../base/failure.ts";
import { type BucketVerdict, TokenBuckets } from "../../policy/token_bucket.ts";
import type { Stream } from "../stream.ts";
import { increment } from "../telemetry/counters.ts";
import type { DirectAnswer, Filter, FilterComponent, HeaderVerdict } from "./filter.ts";

/** A longer key is cut: it is kept in memory, and the caller chose it. */
const MAX_KEY_LENGTH = 256;

/**
 * Answers 429 (RFC 6585, 4) to what comes faster than its limit allows, with Retry-After and the
 * fields of draft-ietf-httpapi-ratelimit-headers.
 */
export const rateLimit: FilterComponent = {
  name: "rate_limit",
  summary: "Answers 429 to requests that come faster than a limit allows.",
  status: "stable",
  security:
    "A key from a header is the caller's word: who invents values evades the limit. Memory is " +
    "bounded by maxKeys.",
  create: (config) => {
    const policy = readRateLimit(config);
    if (typeof policy === "string") throw new Failure("refused", `rate_limit: ${policy}`);
    return new RateLimit(policy);
  },
};

class RateLimit implements Filter {
  readonly #policy: RateLimitPolicy;
  readonly #limits: string;
  /** A filter that is made anew for the same route and limit goes on with what was counted. */
  readonly #identity: string;

  constructor(policy: RateLimitPolicy) {
    this.#policy = policy;
    const { requests, perMs, burst } = policy;
    this.#limits = `"${policy.name}";q=${requests};w=${Math.ceil(perMs / 1000)};burst=${burst}`;
    this.#identity = JSON.stringify(policy);
  }

  onRequestHeaders(stream: Stream): HeaderVerdict {
    const { counters } = stream.route!;
    const buckets = this.#bucketsOf(stream);
    const key = keyOf(stream, this.#policy.key);
    const verdict = buckets.take(key, stream.context.clock.now());
    if (verdict.allowed) return undefined;
    increment(counters.rateLimited, this.#policy.name);
    stream.addFlag("RL");
    return this.#refusal(verdict);
  }

  /** With the route's counters, which outlive a new Snapshot. */
  #bucketsOf(stream: Stream): TokenBuckets {
    const { rateLimits } = stream.route!.counters;
    const known = rateLimits.get(this.#policy.name);
    if (known?.identity === this.#identity) return known.buckets;
    const { requests, perMs, burst, maxKeys } = this.#policy;
    const buckets = new TokenBuckets({ burst, tokens: requests, perMs }, maxKeys);
    rateLimits.set(this.#policy.name, { identity: this.#identity, buckets });
    return buckets;
  }

  #refusal({ remaining, retryMs }: BucketVerdict): DirectAnswer {
    const seconds = Math.max(1, Math.ceil(retryMs / 1000));
    return {
      status: 429,
      headers: {
        "content-type": "text/plain",
        "retry-after": String(seconds),
        "ratelimit-policy": this.#limits,
        ratelimit: `"${this.#policy.name}";r=${remaining};t=${seconds}`,
      },
      body: "too many requests\n",
      detail: "rate_limited",
    };
  }
}

function keyOf(stream: Stream, key: RateLimitKey): string {
  switch (key.by) {
    case "route":
      return "";
    case "source":
      return stream.remoteAddress;
    case "path":
      return stream.head.path.slice(0, MAX_KEY_LENGTH);
    case "header":
      return (stream.head.headers.get(key.header) ?? "").slice(0, MAX_KEY_LENGTH);
  }
}
