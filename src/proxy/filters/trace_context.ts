import { SAMPLED, TRACE_FORMAT_BITS, TraceContext } from "../../codec/trace_context.ts";
import type { Stream } from "../stream.ts";
import type { Filter, FilterComponent } from "./filter.ts";

const ALL = Object.values(TRACE_FORMAT_BITS).reduce((bits, bit) => bits | bit, 0);

/** Passes a trace context on, of W3C or B3, and drops one that is malformed. */
export const traceContext: FilterComponent = {
  name: "trace_context",
  summary: "Passes traceparent with tracestate, b3 and x-b3-... on; malformed ones are dropped.",
  status: "stable",
  security: "Reads the caller's trace id into the access log; nothing is decided by it.",
  create: () => new PassTraceContext(),
};

class PassTraceContext implements Filter {
  /** Only within a call: one for all requests will do. */
  readonly #context = new TraceContext();

  onRequestHeaders(stream: Stream): undefined {
    const context = this.#context;
    context.read(stream.head.headers, ALL);
    if (!context.hasIds) return;
    stream.traceId = context.traceId;
    stream.isSampled = context.decision === SAMPLED;
  }
}
