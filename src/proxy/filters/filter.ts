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
  onResponseHeaders?(stream: Stream, head: ResponseHead): void | Promise<void>;
  /** An answer that is made here, an error for one: its headers as they are to be. */
  onLocalAnswer?(stream: Stream, headers: AnswerHeaders): AnswerHeaders;
  onResponseBody?(stream: Stream, bytes: Uint8Array): Uint8Array;
  onResponseTrailers?(stream: Stream, trailers: HeaderBlock): void;
  /** Once a stream, whatever became of it. */
  onComplete?(stream: Stream): void;
}

/** What a filter is made with. */
export interface FilterTools {
  readonly random: Random;
  /** Where the route's rate limits keep their accounts; missing: each filter has its own. */
  readonly limits?: RouteLimits;
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
