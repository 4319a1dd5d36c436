import type { UserFilterPolicy } from "../../api/snapshot.ts";
import type {
  BodyVerdict,
  Filter as UserFilter,
  FilterAnswer,
  FilterContext,
  NewBody,
} from "../../api/user_filter.ts";
import type { Clock } from "../../base/world.ts";
import type { ResponseHead } from "../../codec/message.ts";
import { DECISIONS } from "../errors.ts";
import {
  type DirectAnswer,
  type Filter,
  FilterFailure,
  type HeaderVerdict,
  type WholeVerdict,
} from "../filters/filter.ts";
import type { Stream } from "../stream.ts";
import type { FilterCells } from "./filter_cells.ts";
import { type FilterCounters, type FilterError, HOOKS } from "./filter_counters.ts";
import { checkField, RequestView, ResponseView, View } from "./views.ts";

/** What a user's filter has besides its code: who counts, who watches, who is told. */
export interface FilterHost {
  /** Its number in the cells. */
  readonly number: number;
  readonly counters: FilterCounters;
  readonly cells: FilterCells;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** An error of its code, of which a person should hear. */
  tell(error: unknown): void;
}

/** A user's filter as the route's chain has it: only the phases of its hooks. */
export function adaptFilter(user: UserFilter, policy: UserFilterPolicy, host: FilterHost): Filter {
  const adapter = new FilterAdapter(user, policy, host);
  const { onRequest, onRequestBody, onResponse, onResponseBody } = user;
  const wantsBody = onRequestBody !== undefined || onResponseBody !== undefined;
  return {
    ...(onRequest && { onRequestHeaders: (stream) => adapter.onRequest(stream) }),
    ...(onRequestBody && {
      onWholeRequest: (stream, body) => adapter.onRequestBody(stream, body),
    }),
    ...(onResponse && { onResponseHeaders: (stream, head) => adapter.onResponse(stream, head) }),
    ...(onResponseBody && {
      onWholeResponse: (stream, head, body) => adapter.onResponseBody(stream, head, body),
    }),
    ...(wantsBody && { maxWholeBytes: policy.maxBodyBytes }),
    onComplete: (stream) => adapter.onComplete(stream),
  };
}

/** How the request goes on: by what a hook returned, and where it failed. */
interface Ways<Result, Out> {
  /** @throws BadReturn */
  use(result: Result): Out;
  /** @throws FilterFailure */
  fail(reason: FilterError): Out;
}

/** A hook returned what it may not. */
class BadReturn extends Error {}

class FilterAdapter {
  /** From a request's first hook to its end. */
  readonly #exchanges = new Map<Stream, Exchange>();

  constructor(
    private readonly user: UserFilter,
    private readonly policy: UserFilterPolicy,
    private readonly host: FilterHost,
  ) {}

  onRequest(stream: Stream): HeaderVerdict | Promise<HeaderVerdict> {
    const exchange = this.#exchange(stream);
    const view = new View(stream);
    const request = new RequestView(view, stream);
    return this.#call<unknown, HeaderVerdict>(
      0,
      view,
      () => this.user.onRequest!(request, exchange),
      {
        use: (result) => {
          if (result === undefined) return undefined;
          if (result instanceof Answer) return result.of(this.policy.name);
          throw new BadReturn(`onRequest returned ${inWords(result)}, not ctx.respond(...)`);
        },
        fail: (reason) => this.#refusal(stream, reason),
      },
    );
  }

  onRequestBody(stream: Stream, body: Uint8Array): WholeVerdict | Promise<WholeVerdict> {
    const exchange = this.#exchange(stream);
    const view = new View(stream);
    const request = new RequestView(view, stream);
    return this.#call<BodyVerdict, WholeVerdict>(
      1,
      view,
      () => this.user.onRequestBody!(body, request, exchange),
      {
        use: (result) => {
          if (result instanceof Answer) return result.of(this.policy.name);
          return newBody("onRequestBody", result as NewBody, body);
        },
        fail: (reason) => this.#refusal(stream, reason) ?? body,
      },
    );
  }

  onResponse(stream: Stream, head: ResponseHead): void | Promise<void> {
    const exchange = this.#exchange(stream);
    const view = new View(stream);
    const response = new ResponseView(view, head);
    return this.#call<unknown, void>(2, view, () => this.user.onResponse!(response, exchange), {
      use: (result) => {
        if (result === undefined) return;
        throw new BadReturn(`onResponse returned ${inWords(result)}, and may return nothing`);
      },
      fail: (reason) => this.#fail(reason),
    });
  }

  onResponseBody(
    stream: Stream,
    head: ResponseHead,
    body: Uint8Array,
  ): Uint8Array | Promise<Uint8Array> {
    const exchange = this.#exchange(stream);
    const view = new View(stream);
    const response = new ResponseView(view, head);
    return this.#call<NewBody, Uint8Array>(
      3,
      view,
      () => this.user.onResponseBody!(body, response, exchange),
      {
        use: (result) => newBody("onResponseBody", result, body),
        fail: (reason) => {
          this.#fail(reason);
          return body;
        },
      },
    );
  }

  onComplete(stream: Stream): void {
    const exchange = this.#exchange(stream);
    this.#exchanges.delete(stream);
    if (this.user.onComplete === undefined) return;
    const durationMs = this.host.clock.now() - stream.startedMs;
    const outcome = { status: stream.status, durationMs };
    const ended = this.#call<unknown, void>(
      4,
      new View(stream),
      () => this.user.onComplete!(outcome, exchange),
      { use: () => {}, fail: () => {} },
    );
    void ended;
  }

  #exchange(stream: Stream): Exchange {
    const known = this.#exchanges.get(stream);
    if (known !== undefined && known.generation === stream.generation) return known;
    const exchange = new Exchange(stream, this.policy, this.host);
    this.#exchanges.set(stream, exchange);
    return exchange;
  }

  // -------------------------------------------------------------- calling

  #call<Result, Out>(
    hook: number,
    view: View,
    run: () => Result | Promise<Result>,
    ways: Ways<Result, Out>,
  ): Out | Promise<Out> {
    const { counters, cells, clock, number } = this.host;
    counters.calls[hook]!++;
    const startedMs = clock.now();
    let result: Result | Promise<Result>;
    cells.enter(number);
    try {
      result = run();
    } catch (error) {
      this.#left(startedMs, true);
      view.lock();
      return this.#failed(ways, "threw", error);
    }
    const isOver = !(result instanceof Promise);
    this.#left(startedMs, isOver);
    if (!isOver) return this.#wait(result as Promise<Result>, startedMs, view, ways);
    view.lock();
    return this.#used(ways, result as Result);
  }

  #left(startedMs: number, isOver: boolean): void {
    const { counters, cells, clock } = this.host;
    cells.leave();
    const tookMs = clock.now() - startedMs;
    counters.busyMs += tookMs;
    if (isOver) counters.wholeMs += tookMs;
  }

  /** Settles with the promise, or when its time is up, whichever comes first. */
  #wait<Result, Out>(
    promise: Promise<Result>,
    startedMs: number,
    view: View,
    ways: Ways<Result, Out>,
  ): Promise<Out> {
    const { counters, cells, clock, number } = this.host;
    cells.waits(number, 1);
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (go: () => Out): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        view.lock();
        counters.wholeMs += clock.now() - startedMs;
        try {
          resolve(go());
        } catch (error) {
          reject(error as Error);
        }
      };
      const { timeoutMs } = this.policy;
      const timer = clock.after(timeoutMs, () => {
        const late = new Error(`its promise did not settle within ${timeoutMs} ms`);
        end(() => this.#failed(ways, "timeout", late));
      });
      promise
        .then(
          (result) => end(() => this.#used(ways, result)),
          (error: unknown) => end(() => this.#failed(ways, "threw", error)),
        )
        .finally(() => cells.waits(number, -1));
    });
  }

  #used<Result, Out>(ways: Ways<Result, Out>, result: Result): Out {
    try {
      return ways.use(result);
    } catch (error) {
      if (!(error instanceof BadReturn)) throw error;
      return this.#failed(ways, "returned", error);
    }
  }

  #failed<Out>(ways: Ways<never, Out>, reason: FilterError, error: unknown): Out {
    this.host.counters.failed(reason);
    this.host.tell(error);
    return ways.fail(reason);
  }

  /** Of an answer: goes on where the filter may fail. */
  #fail(reason: FilterError): void {
    if (this.policy.onError === "open") return;
    throw new FilterFailure(`${this.policy.name},${reason}`);
  }

  /** Of a request: undefined goes on. */
  #refusal(stream: Stream, reason: FilterError): DirectAnswer | undefined {
    if (this.policy.onError === "open") return undefined;
    const { status, flag, text } = DECISIONS["filter-error"];
    if (!stream.finished) stream.addFlag(flag);
    const detail = `filter-error{${this.policy.name},${reason}}`;
    return { status, headers: { "content-type": "text/plain" }, body: `${text}\n`, detail };
  }
}

function newBody(hook: string, result: NewBody, before: Uint8Array): Uint8Array {
  if (result === undefined) return before;
  if (result instanceof Uint8Array) return result;
  if (typeof result === "string") return new TextEncoder().encode(result);
  throw new BadReturn(`${hook} returned ${inWords(result)}, expected a text or a Uint8Array`);
}

function inWords(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `${typeof value} ${String(value).slice(0, 60)}`;
}

class Answer implements FilterAnswer {
  constructor(
    readonly status: number,
    readonly headers: Readonly<Record<string, string>>,
    readonly body: string,
  ) {}

  of(filter: string): DirectAnswer {
    const { status, headers, body } = this;
    return { status, headers, body, detail: `filter{${filter}}` };
  }
}

class Exchange implements FilterContext {
  readonly generation: number;
  readonly name: string;
  readonly config: Readonly<Record<string, any>>;
  readonly state: Record<string, any> = {};
  readonly #stream: Stream;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(stream: Stream, policy: UserFilterPolicy, host: FilterHost) {
    this.generation = stream.generation;
    this.name = policy.name;
    this.config = policy.config;
    this.#stream = stream;
    this.#env = host.env;
  }

  env(name: string): string | undefined {
    return this.#env[name];
  }

  #now(): Stream {
    if (this.#stream.generation !== this.generation) throw new Error("this request is over");
    return this.#stream;
  }

  get listener(): string {
    return this.#now().listenerName;
  }

  get route(): string {
    return this.#now().route!.name;
  }

  get requestId(): string | null {
    return this.#now().requestId;
  }

  get remoteAddress(): string {
    return this.#now().remoteAddress;
  }

  respond(
    status: number,
    headers: Readonly<Record<string, string>> = {},
    body = "",
  ): FilterAnswer {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new Error(`${status} cannot be an answer's status: expected 200 to 599`);
    }
    if (typeof body !== "string") throw new Error("an answer's body is a text");
    for (const [name, value] of Object.entries(headers)) checkField(name, value);
    return new Answer(status, { ...headers }, body);
  }
}

/**
 * The hooks of what a file exports, or what is wrong with it, in words that follow its name.
 * @param made where a function of the file made it, and did not export it
 */
export function readHooks(exported: unknown, made = false): UserFilter | string {
  const what = made ? "what its function returned" : "its default export";
  if (typeof exported !== "object" || exported === null) {
    const expected = `an object with hooks (${HOOKS.join(", ")})`;
    const found = exported === undefined ? "nothing" : inWords(exported);
    return `${what} is ${found}, expected ${expected}`;
  }
  const hooks = exported as Readonly<Record<string, unknown>>;
  const known: readonly string[] = HOOKS;
  for (const [name, hook] of Object.entries(hooks)) {
    if (known.includes(name) && typeof hook !== "function" && hook !== undefined) {
      return `${what} has ${name}, which is ${inWords(hook)} and no function`;
    }
    if (!known.includes(name) && /^on[A-Z]/.test(name)) {
      return `${what} has ${name}, which is no hook; there are ${known.join(", ")}`;
    }
  }
  // Not by its own keys alone: it may be an instance of a class.
  if (known.some((name) => typeof hooks[name] === "function")) return exported as UserFilter;
  return `${what} has no hook; there are ${known.join(", ")}`;
}
