import type { UserFilterPolicy } from "../../api/snapshot.ts";
import type { Random } from "../../base/world.ts";
import type { HeaderBlock } from "../../codec/headers.ts";
import type { ResponseHead } from "../../codec/message.ts";
import type { RouteLimits } from "../limits/limit_stores.ts";
import type { Stream } from "../stream.ts";

export type AnswerHeaders = Readonly<Record<string, string>>;

/** An answer made by a filter: the request goes no further. */
export interface DirectAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
  /** The reason in the access log; `direct_response` without it. */
  readonly detail?: string;
}

/** Undefined goes on with the next filter. */
export type HeaderVerdict = DirectAnswer | undefined;
/** What is sent instead of the body. */
export type WholeVerdict = Uint8Array | DirectAnswer;

/** A filter's failure that says whose it is: the access log's reason names it. */
export class FilterFailure extends Error {
  override readonly name = "FilterFailure";
}

/**
 * What a filter may implement: a closed list of phases. A request meets a route's filters in their
 * order, its answer in reverse. A phase that is not implemented costs nothing: each route compiles
 * one array a phase. A promise holds the stream (and pauses the sender) until it settles; a throw
 * or a rejection fails the request with 500.
 */
export interface Filter {
  onRequestHeaders?(stream: Stream): HeaderVerdict | Promise<HeaderVerdict>;
  /** Returns what to send instead; an empty array sends nothing. */
  onRequestBody?(stream: Stream, bytes: Uint8Array): Uint8Array;
  onRequestTrailers?(stream: Stream, trailers: HeaderBlock): void;
  /**
   * The whole body, behind `onRequestBody`, before a cluster is chosen and the head is sent: so it
   * may change the head too. Not for a request that asks for an upgrade.
   */
  onWholeRequest?(stream: Stream, body: Uint8Array): WholeVerdict | Promise<WholeVerdict>;
  onResponseHeaders?(stream: Stream, head: ResponseHead): void | Promise<void>;
  /** An answer that is made here, an error for one: its headers as they are to be. */
  onLocalAnswer?(stream: Stream, headers: AnswerHeaders): AnswerHeaders;
  onResponseBody?(stream: Stream, bytes: Uint8Array): Uint8Array;
  onResponseTrailers?(stream: Stream, trailers: HeaderBlock): void;
  /** The whole body, behind `onResponseBody`, before the head is sent; not where there is none. */
  onWholeResponse?(
    stream: Stream,
    head: ResponseHead,
    body: Uint8Array,
  ): Uint8Array | Promise<Uint8Array>;
  /** Of the two above: a larger body fails the request. */
  readonly maxWholeBytes?: number;
  /** Once a stream, whatever became of it. */
  onComplete?(stream: Stream): void;
}

/** What a filter is made with. */
export interface FilterTools {
  readonly random: Random;
  /** Where the route's rate limits keep their accounts; missing: each filter has its own. */
  readonly limits?: RouteLimits;
  /** The proxy's tracer takes care of trace contexts; missing: it has none. */
  readonly traces?: boolean;
  /** Finds the code of users' filters; missing: there are none. */
  readonly userFilter?: (policy: UserFilterPolicy) => Filter;
}

/** One filter's file: what it is, and how one is made for a route. */
export interface FilterComponent {
  readonly name: string;
  readonly summary: string;
  readonly status: "stable" | "beta";
  /** What it trusts and what it protects. */
  readonly security: string;
  create(config: Readonly<Record<string, unknown>>, tools: FilterTools): Filter;
}

/** A route's filters, an array a phase. */
export interface FilterChain {
  readonly requestHeaders: readonly Required<Pick<Filter, "onRequestHeaders">>[];
  readonly requestBody: readonly Required<Pick<Filter, "onRequestBody">>[];
  readonly requestTrailers: readonly Required<Pick<Filter, "onRequestTrailers">>[];
  readonly wholeRequest: readonly Required<Pick<Filter, "onWholeRequest">>[];
  readonly wholeResponse: readonly Required<Pick<Filter, "onWholeResponse">>[];
  /** The least that one of these two kinds takes. */
  readonly maxWholeBytes: number;
  readonly responseHeaders: readonly Required<Pick<Filter, "onResponseHeaders">>[];
  readonly localAnswer: readonly Required<Pick<Filter, "onLocalAnswer">>[];
  readonly responseBody: readonly Required<Pick<Filter, "onResponseBody">>[];
  readonly responseTrailers: readonly Required<Pick<Filter, "onResponseTrailers">>[];
  readonly complete: readonly Required<Pick<Filter, "onComplete">>[];
}

export function compileChain(filters: readonly Filter[]): FilterChain {
  const reversed = [...filters].reverse();
  return {
    requestHeaders: having(filters, "onRequestHeaders"),
    requestBody: having(filters, "onRequestBody"),
    requestTrailers: having(filters, "onRequestTrailers"),
    wholeRequest: having(filters, "onWholeRequest"),
    wholeResponse: having(reversed, "onWholeResponse"),
    maxWholeBytes: Math.min(...filters.map(({ maxWholeBytes = Infinity }) => maxWholeBytes)),
    responseHeaders: having(reversed, "onResponseHeaders"),
    localAnswer: having(reversed, "onLocalAnswer"),
    responseBody: having(reversed, "onResponseBody"),
    responseTrailers: having(reversed, "onResponseTrailers"),
    complete: having(filters, "onComplete"),
  };
}

function having<Phase extends keyof Filter>(
  filters: readonly Filter[],
  phase: Phase,
): Required<Pick<Filter, Phase>>[] {
  return filters.filter((filter) => filter[phase] !== undefined) as Required<Pick<Filter, Phase>>[];
}
