import { type RateLimitKey, type RateLimitPolicy, readRateLimit } from "../../api/rate_limit.ts";
import { Failure } from "../../base/failure.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { ResponseHead } from "../../codec/message.ts";
import type { BucketStore, BucketVerdict } from "../../policy/token_bucket.ts";
import { ALONE } from "../limits/limit_stores.ts";
import type { SharedBuckets } from "../limits/shared_buckets.ts";
import { clientSource } from "../listener/client_address.ts";
import type { Stream } from "../stream.ts";
import { type LimitDecider, limitCounters } from "../telemetry/counters.ts";
import type { DirectAnswer, Filter, FilterComponent, HeaderVerdict } from "./filter.ts";

/** A longer key is cut: it is kept in memory, and the caller chose it. */
const MAX_KEY_LENGTH = 256;

/**
 * Answers 429 (RFC 6585, 4) to what comes faster than its limit allows, with Retry-After and the
 * fields of draft-ietf-httpapi-ratelimit-headers-03, which Envoy writes too. A limit that is shared
 * holds the request until its Redis has answered, or until its time is over.
 */
export const rateLimit: FilterComponent = {
  name: "rate_limit",
  summary: "Answers 429 to requests that come faster than a limit allows.",
  status: "stable",
  security:
    "A key from a header is the caller's word: who invents values evades the limit. Memory is " +
    "bounded by maxKeys; in a shared Redis, keys from headers and paths are hashes and expire.",
  create: (config, { limits = ALONE }) => {
    const policy = readRateLimit(config);
    if (typeof policy === "string") throw new Failure("refused", `rate_limit: ${policy}`);
    const [local, shared] = [limits.local(policy), limits.shared(policy)];
    const Kind = policy.headers === true ? TellingRateLimit : RateLimit;
    return shared === null ? new Kind(policy, local) : new Kind(policy, local, shared);
  },
};

class RateLimit implements Filter {
  protected readonly fields: LimitFields;
  readonly #policy: RateLimitPolicy;
  readonly #local: BucketStore;
  readonly #shared: SharedBuckets | null;

  constructor(policy: RateLimitPolicy, local: BucketStore, shared: SharedBuckets | null = null) {
    this.#policy = policy;
    this.#local = local;
    this.#shared = shared;
    this.fields = new LimitFields(policy);
  }

  onRequestHeaders(stream: Stream): HeaderVerdict | Promise<HeaderVerdict> {
    const key = keyOf(stream, this.#policy.key);
    if (this.#shared !== null) return this.#askShared(stream, key, this.#shared);
    return this.#askLocal(stream, key);
  }

  /** Of a request that goes on. */
  protected passes(_stream: Stream, _verdict: BucketVerdict): void {}

  #askLocal(stream: Stream, key: string): HeaderVerdict {
    return this.#decide(stream, this.#local.take(key, stream.context.clock.now()), "local");
  }

  #askShared(stream: Stream, key: string, shared: SharedBuckets): Promise<HeaderVerdict> {
    const { generation } = stream;
    return shared.take(sharedKey(key, this.#policy.key)).then((verdict) => {
      // It ended meanwhile, and its stream may be another's by now.
      if (stream.generation !== generation || stream.finished) return undefined;
      if (verdict !== null) return this.#decide(stream, verdict, "shared");
      limitCounters(stream.route!.counters, this.#policy.name).unanswered++;
      switch (this.#policy.shared!.whenAway) {
        case "allow":
          return undefined;
        case "deny":
          return this.#deny(stream);
        case "local":
          return this.#askLocal(stream, key);
      }
    });
  }

  #decide(stream: Stream, verdict: BucketVerdict, decider: LimitDecider): HeaderVerdict {
    if (verdict.allowed) {
      this.passes(stream, verdict);
      return undefined;
    }
    limitCounters(stream.route!.counters, this.#policy.name).limited[decider]++;
    stream.addFlag("RL");
    const headers = { "content-type": "text/plain", ...this.fields.ofRefusal(verdict) };
    return { status: 429, headers, body: "too many requests\n", detail: "rate_limited" };
  }

  /** Nobody has counted, so it is no 429: the caller did nothing wrong. Envoy's flag is RLSE. */
  #deny(stream: Stream): DirectAnswer {
    limitCounters(stream.route!.counters, this.#policy.name).limited.away++;
    stream.addFlag("RLSE");
    return {
      status: 503,
      headers: { "content-type": "text/plain", "retry-after": "1" },
      body: "rate limit service away\n",
      detail: "rate_limit_away",
    };
  }
}

/** Says in answers that pass, too, how much is left. */
class TellingRateLimit extends RateLimit {
  readonly #verdicts = new Map<Stream, BucketVerdict>();

  protected override passes(stream: Stream, verdict: BucketVerdict): void {
    this.#verdicts.set(stream, verdict);
  }

  onResponseHeaders(stream: Stream, head: ResponseHead): void {
    const verdict = this.#verdicts.get(stream);
    if (verdict === undefined) return;
    for (const [name, value] of Object.entries(this.fields.of(verdict))) {
      head.headers.set(name, value);
    }
  }

  /** An answer made here to a request that had passed. */
  onLocalAnswer(
    stream: Stream,
    headers: Readonly<Record<string, string>>,
  ): Readonly<Record<string, string>> {
    const verdict = this.#verdicts.get(stream);
    return verdict === undefined ? headers : { ...headers, ...this.fields.of(verdict) };
  }

  onComplete(stream: Stream): void {
    this.#verdicts.delete(stream);
  }
}

/** RateLimit-Limit, -Remaining and -Reset; times are in seconds, rounded up. */
class LimitFields {
  readonly #limit: string;

  constructor({ requests, perMs, burst }: RateLimitPolicy) {
    const window = `${requests};w=${Math.max(1, Math.ceil(perMs / 1000))}`;
    this.#limit = `${burst}, ${window}${burst === requests ? "" : `;burst=${burst}`}`;
  }

  of({ remaining, resetMs }: BucketVerdict): Record<string, string> {
    return this.#fields(remaining, Math.ceil(resetMs / 1000));
  }

  /** Both times are the same, as the draft wants it: until a request is let through again. */
  ofRefusal({ remaining, retryMs }: BucketVerdict): Record<string, string> {
    const seconds = Math.max(1, Math.ceil(retryMs / 1000));
    return { "retry-after": String(seconds), ...this.#fields(remaining, seconds) };
  }

  #fields(remaining: number, seconds: number): Record<string, string> {
    return {
      "ratelimit-limit": this.#limit,
      "ratelimit-remaining": String(remaining),
      "ratelimit-reset": String(seconds),
    };
  }
}

function keyOf(stream: Stream, key: RateLimitKey): string {
  const { head } = stream;
  switch (key.by) {
    case "route":
      return "";
    case "source":
      return clientSource(stream);
    case "path":
      return head.path.slice(0, MAX_KEY_LENGTH);
    case "segments":
      return head.path.slice(0, segmentEnd(head.path, key.segments)).slice(0, MAX_KEY_LENGTH);
    case "parameter": {
      const start = segmentEnd(head.path, key.segment - 1) + 1;
      const end = segmentEnd(head.path, key.segment);
      return head.path.slice(start, end).slice(0, MAX_KEY_LENGTH);
    }
    case "header":
      return (head.headers.get(key.header) ?? "").slice(0, MAX_KEY_LENGTH);
  }
}

/** Where the so-manyth segment ends: before the next slash, or with the path. */
function segmentEnd(path: string, segments: number): number {
  let end = 0;
  for (let count = 0; count < segments; count++) {
    end = path.indexOf("/", end + 1);
    if (end < 0) return path.length;
  }
  return end;
}

/** What a header or a path holds may be a secret: others can read what lies in Redis. */
function sharedKey(key: string, { by }: RateLimitKey): string {
  return by === "route" || by === "source" ? key : sha256Hex(key).slice(0, 32);
}
