import type { RespValue } from "../../codec/resp.ts";
import type { BucketRate, BucketVerdict } from "../../policy/token_bucket.ts";
import type { RedisClient } from "./redis_client.ts";

/** The buckets of one limit, in a Redis that others ask too. */
export class SharedBuckets {
  readonly #client: RedisClient;
  readonly #prefix: string;
  readonly #words: readonly string[];
  readonly #timeoutMs: number;

  /** `name`: whoever has the same one shares the limit. */
  constructor(client: RedisClient, name: string, rate: BucketRate, timeoutMs: number) {
    this.#client = client;
    this.#prefix = `outrigger:limit:${name}`;
    this.#words = [String(rate.burst), String(rate.tokens), String(rate.perMs)];
    this.#timeoutMs = timeoutMs;
  }

  /** Null where there was no answer in time: somebody else has to decide. */
  take(key: string): Promise<BucketVerdict | null> {
    const name = key === "" ? this.#prefix : `${this.#prefix}:${key}`;
    return new Promise((resolve) => {
      this.#client.call(name, this.#words, this.#timeoutMs, (answer) => {
        resolve(typeof answer === "string" ? null : verdictOf(answer));
      });
    });
  }
}

/** Null for anything but the four numbers of the script. */
function verdictOf(items: readonly RespValue[]): BucketVerdict | null {
  const numbers: number[] = [];
  for (const item of items) {
    if (item.type !== "integer" || typeof item.value !== "number") return null;
    numbers.push(item.value);
  }
  const [allowed, remaining, retryUs, resetUs] = numbers;
  if (allowed === undefined || remaining === undefined) return null;
  if (retryUs === undefined || resetUs === undefined) return null;
  return { allowed: allowed === 1, remaining, retryMs: retryUs / 1000, resetMs: resetUs / 1000 };
}
