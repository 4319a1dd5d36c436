/** Token buckets, one a key, over a clock that the caller reads. */

/** Where the buckets of one limit are kept: in this process, or for a group of workers. */
export interface BucketStore {
  /** Takes a token of `key`'s bucket where there is one. */
  take(key: string, nowMs: number): BucketVerdict;
  /** Keys that are remembered now. */
  readonly size: number;
}

export interface BucketRate {
  /** Tokens that a full bucket holds: what may come at once. */
  readonly burst: number;
  /** This many tokens come back ... */
  readonly tokens: number;
  /** ... in this time, evenly. */
  readonly perMs: number;
}

/** What became of one request for a token. */
export interface BucketVerdict {
  readonly allowed: boolean;
  /** Whole tokens that are left. */
  readonly remaining: number;
  /** Until there is a token again; 0 where one is left. */
  readonly retryMs: number;
  /** Until the bucket is full. */
  readonly resetMs: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * At most `maxKeys` buckets: the one that was used longest ago goes first. Forgetting one gives its
 * key a full bucket, so choose the bound above the number of keys that are busy at once.
 */
export class TokenBuckets implements BucketStore {
  /** In the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    readonly rate: BucketRate,
    readonly maxKeys: number,
  ) {}

  get size(): number {
    return this.#buckets.size;
  }

  take(key: string, nowMs: number): BucketVerdict {
    const { burst, tokens: perPeriod, perMs } = this.rate;
    const known = this.#buckets.get(key);
    const bucket = known ?? { tokens: burst, atMs: nowMs };
    // Moved to the end: used just now.
    if (known !== undefined) this.#buckets.delete(key);
    else if (this.#buckets.size >= this.maxKeys) this.#forgetOldest();
    this.#buckets.set(key, bucket);
    const perTokenMs = perMs / perPeriod;
    const elapsedMs = Math.max(0, nowMs - bucket.atMs);
    bucket.tokens = Math.min(burst, bucket.tokens + elapsedMs / perTokenMs);
    bucket.atMs = nowMs;
    // Fractions add up: a token that lacks a billionth is there.
    const allowed = bucket.tokens >= 1 - 1e-9;
    if (allowed) bucket.tokens = Math.max(0, bucket.tokens - 1);
    const { tokens } = bucket;
    return {
      allowed,
      remaining: Math.floor(tokens + 1e-9),
      retryMs: tokens >= 1 ? 0 : (1 - tokens) * perTokenMs,
      resetMs: (burst - tokens) * perTokenMs,
    };
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
