import type { FallbackPolicy, FallbackTrigger, RetryPolicy, RoutePolicy } from "../../api/snapshot.ts";
import type { Random } from "../../base/world.ts";
import { Failure } from "../../base/failure.ts";
import type { RequestHead } from "../../codec/message.ts";
import { isFieldName, isFieldValue } from "../../codec/headers.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { compileChain, type Filter, type FilterChain, type FilterTools } from "../filters/filter.ts";
import { findFilter } from "../filters/mod.ts";
import type { Mirror } from "../mirror.ts";
import type { LastGoodStore } from "./last_good.ts";
import type { RouteCounters } from "../telemetry/counters.ts";
import { RequestMatcher } from "./request_matcher.ts";
import { StickyChoice } from "./sticky.ts";

/** A canned answer, encoded once. */
export interface CannedAnswer {
  readonly on: ReadonlySet<FallbackTrigger>;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A route as requests meet it: names resolved to clusters, filters to compiled chains. */
export class Route {
  readonly name: string;
  readonly policy: RoutePolicy;
  /** As the policy lists them. */
  readonly filters: readonly Filter[];
  readonly chain: FilterChain;
  /** What it asks of a request besides host and path; null for nothing. */
  readonly matcher: RequestMatcher | null;
  readonly retry: RetryPolicy | null;
  readonly fallback: CannedAnswer | null;
  readonly lastGood: LastGoodStore | null;
  readonly mirror: Mirror | null;
  readonly counters: RouteCounters;
  readonly #clusters: readonly Cluster[];
  readonly #weights: readonly number[];
  readonly #totalWeight: number;
  readonly #sticky: StickyChoice | null;

  /**
   * @throws Failure `refused` for an unknown cluster or filter, or where no backend has a weight,
   * unless a filter answers every request.
   */
  constructor(
    policy: RoutePolicy,
    clusters: ReadonlyMap<string, Cluster>,
    counters: RouteCounters,
    tools: FilterTools,
    lastGood: LastGoodStore | null = null,
    mirror: Mirror | null = null,
  ) {
    this.lastGood = lastGood;
    this.mirror = mirror;
    this.name = policy.name;
    this.policy = policy;
    this.counters = counters;
    const hasCors = policy.filters.some(({ filter }) => filter === "cors");
    this.matcher = policy.match === undefined ? null : new RequestMatcher(policy.match, hasCors);
    this.retry = policy.retry;
    this.fallback = policy.fallback === null ? null : canned(policy.fallback, policy.name);
    this.#clusters = policy.backends.map(({ cluster }) => {
      const found = clusters.get(cluster);
      if (found !== undefined) return found;
      throw new Failure("refused", `route ${policy.name}: no cluster is named ${cluster}`);
    });
    this.#weights = policy.backends.map(({ weight }) => weight);
    this.#totalWeight = this.#weights.reduce((sum, weight) => sum + weight, 0);
    if (this.#totalWeight <= 0 && !answersItself(policy)) {
      throw new Failure("refused", `route ${policy.name}: no backend has a weight above 0`);
    }
    const filters = policy.filters.map(({ filter, config }) => {
      const component = findFilter(filter);
      if (component !== undefined) return component.create(config, tools);
      throw new Failure("refused", `route ${policy.name}: no filter is named ${filter}`);
    });
    this.filters = filters;
    this.#sticky = policy.sticky === undefined ? null : new StickyChoice(policy, policy.sticky);
    // Outermost: its cookie is ours, and no edit of the callee's headers takes it away.
    this.chain = compileChain(this.#sticky === null ? filters : [this.#sticky, ...filters]);
  }

  /** As the caller's cookie says, where one is kept; else by weight, at random. */
  chooseCluster(random: Random, head: RequestHead): Cluster {
    const clusters = this.#clusters;
    if (clusters.length === 1) return clusters[0]!;
    if (this.#sticky !== null) {
      const kept = this.#sticky.indexFrom(head);
      if (kept >= 0) return clusters[kept]!;
    }
    let point = random.next() * this.#totalWeight;
    for (let index = 0; index < clusters.length; index++) {
      point -= this.#weights[index]!;
      if (point < 0) return clusters[index]!;
    }
    return clusters[clusters.length - 1]!;
  }
}

/** Filters that answer every request. */
const ANSWERS: ReadonlySet<string> = new Set(["redirect", "respond"]);

function answersItself({ filters }: RoutePolicy): boolean {
  return filters.some(({ filter }) => ANSWERS.has(filter));
}

function canned(policy: FallbackPolicy, route: string): CannedAnswer {
  for (const [name, value] of Object.entries(policy.headers)) {
    // A line feed in a value would be a header, or an answer, of its own.
    if (isFieldName(name) && isFieldValue(value)) continue;
    const header = `${JSON.stringify(name)}: ${JSON.stringify(value)}`;
    throw new Failure("refused", `route ${route}: the fallback's header ${header} cannot be sent`);
  }
  return {
    on: new Set(policy.on),
    status: policy.status,
    headers: policy.headers,
    body: new TextEncoder().encode(policy.body),
  };
}
