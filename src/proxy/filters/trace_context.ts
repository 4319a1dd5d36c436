import { TRACEPARENT, TRACESTATE } from "../../codec/headers.ts";
import type { Stream } from "../stream.ts";
import type { Filter, FilterComponent } from "./filter.ts";

const TRACEPARENT_FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_PARENT = "0".repeat(16);

/** Passes a W3C trace context on, and drops one that is malformed (Trace Context, 3.2 and 4.3). */
export const traceContext: FilterComponent = {
  name: "trace_context",
  summary: "Passes traceparent and tracestate on; a malformed traceparent is dropped with its state.",
  status: "stable",
  security: "Reads the caller's trace id into the access log; nothing is decided by it.",
  create: () => new TraceContext(),
};

class TraceContext implements Filter {
  onRequestHeaders(stream: Stream): undefined {
    const headers = stream.head.headers;
    if (!headers.has(TRACEPARENT)) {
      if (headers.has(TRACESTATE)) headers.remove("tracestate");
      return;
    }
    const traceId = traceIdOf(headers.get("traceparent")!);
    if (traceId !== null) {
      stream.traceId = traceId;
      return;
    }
    headers.remove("traceparent");
    headers.remove("tracestate");
  }
}

/** The trace id, or null where the text is no traceparent. */
function traceIdOf(traceparent: string): string | null {
  const match = TRACEPARENT_FORM.exec(traceparent);
  if (match === null) return null;
  const [, version, traceId, parentId, more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return null;
  if (traceId === NO_TRACE || parentId === NO_PARENT) return null;
  return traceId!;
}
