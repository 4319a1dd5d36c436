import type { RateLimitPolicy } from "../../api/rate_limit.ts";
import type { RedisBinding } from "../../api/redis.ts";
import type { RoutePolicy, Snapshot } from "../../api/snapshot.ts";
import type { RedisStats } from "../../api/stats.ts";
import { Failure } from "../../base/failure.ts";
import { type BucketRate, type BucketStore, TokenBuckets } from "../../policy/token_bucket.ts";
import type { ProxyContext } from "../context.ts";
import { BUCKET_SCRIPT } from "./bucket_script.ts";
import { RedisClient } from "./redis_client.ts";
import { SharedBuckets } from "./shared_buckets.ts";

/** Makes the local buckets of a limit; `identity` is the same in every worker of a group. */
export type MakeBuckets = (identity: string, rate: BucketRate, maxKeys: number) => BucketStore;

/** Where a route's limits keep their accounts. */
export interface RouteLimits {
  local(policy: RateLimitPolicy): BucketStore;
  /** Null for a limit that is not shared. @throws Failure `refused` without a binding. */
  shared(policy: RateLimitPolicy): SharedBuckets | null;
}

/**
 * The accounts of all limits, and the connections to where shared ones are kept. What was counted
 * outlives a new Snapshot, unless the limit is another; so does a connection whose binding stays.
 */
export class LimitStores {
  readonly #context: ProxyContext;
  readonly #makeBuckets: MakeBuckets;
  readonly #buckets = new Map<string, BucketStore>();
  /** By name and binding: one that is planned stands beside the one in force. */
  readonly #clients = new Map<string, { readonly name: string; readonly client: RedisClient }>();

  constructor(context: ProxyContext, makeBuckets: MakeBuckets = inThisProcess) {
    this.#context = context;
    this.#makeBuckets = makeBuckets;
  }

  /** Of a route in a Snapshot that is planned. Nothing is connected yet. */
  of(snapshot: Snapshot, listener: string, route: RoutePolicy): RouteLimits {
    return {
      local: (policy) => {
        const identity = identityOf(listener, route.name, policy);
        let buckets = this.#buckets.get(identity);
        if (buckets === undefined) {
          buckets = this.#makeBuckets(identity, rateOf(policy), policy.maxKeys);
          this.#buckets.set(identity, buckets);
        }
        return buckets;
      },
      shared: (policy) => {
        const { shared } = policy;
        if (shared === undefined) return null;
        const binding = snapshot.bindings.redis?.[shared.redis];
        if (binding === undefined) {
          const where = `${listener} ${route.name}: rate_limit`;
          throw new Failure("refused", `${where}: the Redis ${shared.redis} has no binding`);
        }
        const { namespace, name } = snapshot.workload;
        const own = `${namespace}/${name}:${listener}:${route.name}:${policy.name}`;
        const client = this.#client(shared.redis, binding);
        return new SharedBuckets(client, shared.name ?? own, rateOf(policy), shared.timeoutMs);
      },
    };
  }

  /** Puts a Snapshot's connections in force, and forgets what it does not have. */
  keepOnly(snapshot: Snapshot | null): void {
    if (this.#buckets.size === 0 && this.#clients.size === 0) return;
    const limits = limitsOf(snapshot);
    const bindings = new Set<string>();
    for (const { shared } of limits.values()) {
      const binding = snapshot?.bindings.redis?.[shared?.redis ?? ""];
      if (binding !== undefined) bindings.add(clientKey(shared!.redis, binding));
    }
    for (const key of this.#buckets.keys()) if (!limits.has(key)) this.#buckets.delete(key);
    for (const [key, { client }] of this.#clients) {
      if (bindings.has(key)) {
        client.start();
        continue;
      }
      this.#clients.delete(key);
      client.close();
    }
  }

  stats(): RedisStats[] {
    return [...this.#clients.values()].map(({ name, client }) => {
      const { state, answered, failed } = client;
      return { name, state, answeredTotal: answered, failedTotal: { ...failed } };
    });
  }

  close(): void {
    for (const { client } of this.#clients.values()) client.close();
  }

  #client(name: string, binding: RedisBinding): RedisClient {
    const key = clientKey(name, binding);
    const known = this.#clients.get(key);
    if (known !== undefined) return known.client;
    const { world, timeouts, events } = this.#context;
    const client = new RedisClient(world, timeouts, binding, BUCKET_SCRIPT, {
      onAway: (reason) => events.add("redis-away", name, reason),
      onBack: () => events.add("redis-back", name, "limits are shared again"),
    });
    this.#clients.set(key, { name, client });
    return client;
  }
}

const inThisProcess: MakeBuckets = (_identity, rate, maxKeys) => new TokenBuckets(rate, maxKeys);

/** For a filter without a proxy around it: a limit that is shared has nowhere to be kept. */
export const ALONE: RouteLimits = {
  local: (policy) => new TokenBuckets(rateOf(policy), policy.maxKeys),
  shared: ({ shared }) => {
    if (shared === undefined) return null;
    throw new Failure("refused", `rate_limit: the Redis ${shared.redis} has no binding`);
  },
};

/** Every limit of a Snapshot by its identity, which is the same in all workers. */
export function limitsOf(snapshot: Snapshot | null): Map<string, RateLimitPolicy> {
  const limits = new Map<string, RateLimitPolicy>();
  for (const [listener, { routes }] of Object.entries(snapshot?.policy.listeners ?? {})) {
    for (const { name, filters } of routes) {
      for (const { filter, config } of filters) {
        if (filter !== "rate_limit") continue;
        const policy = config as unknown as RateLimitPolicy;
        limits.set(identityOf(listener, name, policy), policy);
      }
    }
  }
  return limits;
}

function rateOf({ requests, perMs, burst }: RateLimitPolicy): BucketRate {
  return { burst, tokens: requests, perMs };
}

function identityOf(listener: string, route: string, policy: RateLimitPolicy): string {
  return JSON.stringify([listener, route, policy]);
}

function clientKey(name: string, binding: RedisBinding): string {
  return JSON.stringify([name, binding]);
}
