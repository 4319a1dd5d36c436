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

/** Fractions add up: a token that lacks a billionth is there. */
export const ONE = 1 - 1e-9;

/** What a bucket has after a time, which is none where the clock went back. */
export function refilled(rate: BucketRate, tokens: number, elapsedMs: number): number {
  return Math.min(rate.burst, tokens + (Math.max(0, elapsedMs) * rate.tokens) / rate.perMs);
}

/** @param tokens what is left, the one that was taken taken off */
export function verdictOf(rate: BucketRate, tokens: number, allowed: boolean): BucketVerdict {
  const perTokenMs = rate.perMs / rate.tokens;
  return {
    allowed,
    remaining: Math.floor(tokens + 1e-9),
    retryMs: tokens >= 1 ? 0 : (1 - tokens) * perTokenMs,
    resetMs: (rate.burst - tokens) * perTokenMs,
  };
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
    const known = this.#buckets.get(key);
    const bucket = known ?? { tokens: this.rate.burst, atMs: nowMs };
    // Moved to the end: used just now.
    if (known !== undefined) this.#buckets.delete(key);
    else if (this.#buckets.size >= this.maxKeys) this.#forgetOldest();
    this.#buckets.set(key, bucket);
    const tokens = refilled(this.rate, bucket.tokens, nowMs - bucket.atMs);
    const allowed = tokens >= ONE;
    bucket.tokens = allowed ? Math.max(0, tokens - 1) : tokens;
    bucket.atMs = nowMs;
    return verdictOf(this.rate, bucket.tokens, allowed);
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
