import { SAMPLED } from "../../codec/trace_context.ts";
import type { Stream } from "../stream.ts";
import type { Filter, FilterComponent } from "./filter.ts";

/** Passes a trace context on, of W3C or B3, and drops one that is malformed. */
export const traceContext: FilterComponent = {
  name: "trace_context",
  summary: "Passes traceparent with tracestate, b3 and x-b3-... on; malformed ones are dropped.",
  status: "stable",
  security: "Reads the caller's trace id into the access log; nothing is decided by it.",
  // A tracer has read the context before any filter.
  create: (_config, { traces = false }) => (traces ? {} : PASS),
};

const PASS: Filter = {
  onRequestHeaders(stream: Stream): undefined {
    stream.isSampled = stream.readTrace().decision === SAMPLED;
  },
};
