import type { TracingPolicy } from "../../api/tracing.ts";
import { detached } from "../../codec/ascii.ts";
import type { SpanRecord } from "../../codec/spans.ts";
import {
  createSpanId,
  OPEN,
  SAMPLED,
  TRACE_FORMAT_BITS,
  type TraceContext,
} from "../../codec/trace_context.ts";
import type { ProxyContext } from "../context.ts";
import { DECISIONS, type FailureCode } from "../errors.ts";
import type { Stream } from "../stream.ts";
import type { SpanExporter } from "../telemetry/span_exporter.ts";
import type { RequestWatch, Watcher } from "./watch.ts";

/** What a caller writes is kept up to this. */
const MAX_METHOD = 32;
const MAX_PATH = 256;
/** What every hop has to pass on (Trace Context, 3.3.1.5); a longer one is not told. */
const MAX_TRACE_STATE = 512;
/** The wall clock was set back: by more than its own resolution. */
const CLOCK_STEP_MS = 2;

/**
 * Traces requests: takes the context that came, or begins a trace, and writes it for the next hop.
 * A request that is sampled gives spans: SERVER for one that came in (to the app, to the gateway),
 * CLIENT for each try to another workload, whose id goes along with it. The decision of whoever
 * began the trace stands; where there is none, the trace id decides, so that all hops with the
 * same rate decide alike.
 */
export class Tracer implements Watcher {
  readonly #ratio: number;
  readonly #write: number;
  readonly #context: ProxyContext;
  readonly #exporter: SpanExporter;
  /** Wall clock minus monotonic clock, finer than the wall clock's own milliseconds. */
  #wallOffsetMs = Number.NEGATIVE_INFINITY;

  constructor({ ratio, write }: TracingPolicy, context: ProxyContext, exporter: SpanExporter) {
    this.#ratio = ratio;
    this.#write = write.reduce((bits, name) => bits | TRACE_FORMAT_BITS[name], 0);
    this.#context = context;
    this.#exporter = exporter;
  }

  begin(stream: Stream): RequestWatch | null {
    const trace = stream.readTrace();
    const hasParent = trace.hasIds;
    if (!hasParent) trace.create(this.#context.random);
    const { decision } = trace;
    const wanted = trace.came | this.#write;
    if (decision === OPEN ? trace.point >= this.#ratio : decision !== SAMPLED) {
      trace.passUnsampled(stream.head.headers, wanted);
      return null;
    }
    stream.isSampled = true;
    return new TracedRequest(this, stream, trace, wanted, hasParent);
  }

  createSpanId(): string {
    return createSpanId(this.#context.random);
  }

  /** The wall clock of a monotonic time, with fractions. */
  wallMsOf(nowMs: number): number {
    const { clock } = this.#context;
    const offsetMs = clock.wallMs() - clock.now();
    // Cut to whole milliseconds it is too small by up to one: the largest is the nearest.
    const isAhead = offsetMs > this.#wallOffsetMs;
    if (isAhead || this.#wallOffsetMs - offsetMs > CLOCK_STEP_MS) this.#wallOffsetMs = offsetMs;
    return this.#wallOffsetMs + nowMs;
  }

  emit(span: SpanRecord): void {
    this.#exporter.add(span);
  }
}

/** One try that has a span. */
interface Try {
  readonly spanId: string;
  readonly startedMs: number;
  readonly retry: number;
  readonly peer: string;
  upstream: string;
  endedMs: number;
  status: number;
  error: string;
  flags: string;
}

/** One sampled request. */
class TracedRequest implements RequestWatch {
  readonly #tracer: Tracer;
  readonly #trace: TraceContext;
  /** Bits of the notations that the next hop gets. */
  readonly #wanted: number;
  readonly #traceId: string;
  readonly #parentId: string | null;
  readonly #traceState: string;
  readonly #method: string;
  readonly #path: string;
  readonly #startWallMs: number;
  readonly #isServer: boolean;
  /** Of the request's own span; null where its tries say all. */
  #spanId: string | null = null;
  #try: Try | null = null;
  #tries = 0;
  /** The caller gets the answer of the last try. */
  #answered = false;

  constructor(
    tracer: Tracer,
    stream: Stream,
    trace: TraceContext,
    wanted: number,
    hasParent: boolean,
  ) {
    const { head, config } = stream;
    this.#tracer = tracer;
    this.#trace = trace;
    this.#wanted = wanted;
    this.#traceId = trace.traceId;
    this.#parentId = hasParent ? trace.spanId : null;
    const state = head.headers.get("tracestate") ?? "";
    this.#traceState = state.length > MAX_TRACE_STATE ? "" : state;
    this.#method = head.method.slice(0, MAX_METHOD);
    const { path } = head;
    this.#path = path.length > MAX_PATH ? detached(path.slice(0, MAX_PATH)) : path;
    this.#startWallMs = tracer.wallMsOf(stream.startedMs);
    this.#isServer = config.policy.direction !== "outbound";
    if (!this.#isServer) return;
    this.#spanId = tracer.createSpanId();
    trace.writeSampled(head.headers, wanted, this.#spanId, this.#parentId);
  }

  onTry(stream: Stream): void {
    const before = this.#try;
    if (before !== null) {
      // Several tries of a trace that begins with them would have nothing in common.
      if (this.#parentId === null) this.#spanId ??= this.#tracer.createSpanId();
      this.#emitTry(before, stream);
      this.#try = null;
    }
    const { name, policy } = stream.cluster!;
    // What goes to the app itself, once, is what the request's own span says.
    if (this.#isServer && policy.kind === "app" && stream.route!.retry === null) return;
    this.#tries++;
    this.#try = {
      spanId: this.#tracer.createSpanId(),
      startedMs: stream.tryStartedMs,
      retry: stream.retries,
      peer: policy.kind === "app" ? "" : name,
      upstream: "",
      endedMs: stream.tryStartedMs,
      status: 0,
      error: "",
      flags: "",
    };
    const parentId = this.#spanId ?? this.#parentId;
    this.#trace.writeSampled(stream.head.headers, this.#wanted, this.#try.spanId, parentId);
  }

  onTryEnd(stream: Stream, status: number, failure: FailureCode | null): void {
    const one = this.#try;
    if (one === null) return;
    one.endedMs = stream.context.clock.now();
    // An answer that breaks off ends its try a second time.
    if (status !== 0) one.status = status;
    if (failure === null) {
      one.error = status >= 500 ? String(status) : "";
    } else {
      one.error = failure;
      one.flags = DECISIONS[failure].flag;
    }
    // Where it got nowhere, the endpoint is an earlier try's.
    if (failure === null || DECISIONS[failure].source !== "local") one.upstream = stream.upstreamHost;
  }

  onAnswer(): void {
    this.#answered = true;
  }

  onLocalAnswer(): void {}

  onTrailers(): void {}

  onComplete(stream: Stream, nowMs: number): void {
    const error = errorOf(stream, this.#answered);
    if (this.#try !== null) this.#endTry(stream, this.#try, error, nowMs);
    // A request that was answered before its first try has no other span.
    if (this.#spanId === null && this.#tries > 0) return;
    const isInner = !this.#isServer && this.#tries > 0;
    this.#tracer.emit({
      ...this.#common(stream),
      spanId: this.#spanId ?? this.#tracer.createSpanId(),
      parentId: this.#parentId,
      kind: this.#isServer ? "server" : isInner ? "internal" : "client",
      startMs: this.#startWallMs,
      durationMs: nowMs - stream.startedMs,
      peer: this.#isServer || isInner ? "" : (stream.cluster?.name ?? ""),
      upstream: "",
      retry: 0,
      status: stream.status,
      error,
      flags: stream.flags,
    });
  }

  #endTry(stream: Stream, one: Try, error: string, nowMs: number): void {
    const isOpen = one.status === 0 && one.error === "";
    if (isOpen) {
      // The request ended in the middle of it.
      one.error = error === "" ? stream.detail : error;
      one.upstream = stream.upstreamHost;
    } else if (this.#answered && one.error === "") {
      one.error = error;
    }
    if (isOpen || this.#answered) {
      one.endedMs = nowMs;
      one.flags = stream.flags;
    }
    this.#emitTry(one, stream);
  }

  #emitTry(one: Try, stream: Stream): void {
    this.#tracer.emit({
      ...this.#common(stream),
      spanId: one.spanId,
      parentId: this.#spanId ?? this.#parentId,
      kind: "client",
      startMs: this.#startWallMs + one.startedMs - stream.startedMs,
      durationMs: one.endedMs - one.startedMs,
      peer: one.peer,
      upstream: one.upstream,
      retry: one.retry,
      status: one.status,
      error: one.error,
      flags: one.flags,
    });
  }

  #common(stream: Stream) {
    return {
      traceId: this.#traceId,
      method: this.#method,
      path: this.#path,
      route: stream.route === null ? "" : stream.route.name,
      requestId: stream.requestId,
      traceState: this.#traceState,
    };
  }
}

/** Why a request failed, or empty. A caller that left is no failure of ours. */
function errorOf({ status, detail }: Stream, answered: boolean): string {
  if (status >= 500) return detail === "via_upstream" ? String(status) : detail;
  const isCut = answered && detail !== "via_upstream" && detail !== "downstream_closed";
  return isCut ? detail : "";
}
