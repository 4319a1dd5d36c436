/**
 * Types for a filter that is written in TypeScript; `import type { Filter } from "outrigger/filter"`.
 *
 *   const filter: Filter = {
 *     onRequest(request, ctx) {
 *       if (request.headers.get("x-api-key") === ctx.env("API_KEY")) return;
 *       return ctx.respond(401, { "content-type": "text/plain" }, "no such key\n");
 *     },
 *   };
 *   export default filter;
 *
 * A hook that is not there costs nothing. What a hook throws, or its promise rejects with, or a
 * promise that does not settle within `timeout`, ends the request with 500, or is passed over:
 * `onError` says. docs/filters.md has the whole story.
 */

/** The default export of the file: the hooks, or a function that makes them from the config. */
export type FilterModule = Filter | ((setup: FilterSetup) => Filter);

export interface Filter {
  /** The request's head, before anything of it is sent on. An answer ends it here. */
  onRequest?(request: FilterRequest, ctx: FilterContext): RequestVerdict | Promise<RequestVerdict>;
  /**
   * The whole body, empty where there is none, before the head is sent on: headers can still be
   * changed. What it returns is sent instead. A body above `maxBody` is answered 413 without it.
   * Not called for a request that asks for an upgrade (WebSocket).
   */
  onRequestBody?(
    body: Uint8Array,
    request: FilterRequest,
    ctx: FilterContext,
  ): BodyVerdict | Promise<BodyVerdict>;
  /** The callee's answer; not one that was made here, such as a fallback or a redirect. */
  onResponse?(response: FilterResponse, ctx: FilterContext): void | Promise<void>;
  /**
   * The whole body of the callee's answer, before its head is sent to the caller. What it returns is
   * sent instead. A body above `maxBody` is answered 502 without it. Not called for an answer that
   * has none (to HEAD, 204, 304).
   */
  onResponseBody?(
    body: Uint8Array,
    response: FilterResponse,
    ctx: FilterContext,
  ): NewBody | Promise<NewBody>;
  /** Once a request, whatever became of it. */
  onComplete?(outcome: FilterOutcome, ctx: FilterContext): void;
}

/** Nothing goes on; an answer, made by `ctx.respond`, ends the request here. */
export type RequestVerdict = FilterAnswer | void;
/** A text is sent in UTF-8; nothing leaves the body as it is. */
export type NewBody = Uint8Array | string | void;
export type BodyVerdict = NewBody | FilterAnswer;

/** What a filter is made with. */
export interface FilterSetup {
  /** What the App file says under `config`. */
  readonly config: Readonly<Record<string, any>>;
  /** An environment variable of the sidecar; undefined where it is not set. */
  env(name: string): string | undefined;
}

/** Good for one request, in all hooks of this filter. */
export interface FilterContext extends FilterSetup {
  /** Empty at first; for what one hook tells another. */
  readonly state: Record<string, any>;
  /** The filter's name in metrics. */
  readonly name: string;
  readonly listener: string;
  readonly route: string;
  readonly requestId: string | null;
  /** The other end of the caller's connection. */
  readonly remoteAddress: string;
  /** An answer to return. The body's length is added. */
  respond(
    status: number,
    headers?: Readonly<Record<string, string>>,
    body?: string,
  ): FilterAnswer;
}

/** Made by `ctx.respond`. */
export interface FilterAnswer {
  readonly status: number;
}

export interface FilterHeaders {
  /** All values of a name in order, joined by ", "; null where there is none. */
  get(name: string): string | null;
  has(name: string): boolean;
  /** In the place of all fields of that name. Throws for what cannot be a header, or frames a body. */
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  remove(name: string): void;
  /** In order, names in lower case. */
  entries(): [name: string, value: string][];
}

/** Throws when it is used after the request has ended. */
export interface FilterRequest {
  readonly method: string;
  /** As the caller wrote it, with its port. */
  readonly host: string;
  /** Without the query; may be set, and starts with a slash. The route was chosen before. */
  path: string;
  /** Without the question mark, escapes as they came; empty where there is none. May be set. */
  query: string;
  readonly headers: FilterHeaders;
}

export interface FilterResponse {
  /** May be set, from 200 to 599. */
  status: number;
  readonly headers: FilterHeaders;
}

export interface FilterOutcome {
  /** 0 where the caller left before an answer. */
  readonly status: number;
  /** From the request's head to the end of its answer. */
  readonly durationMs: number;
}
