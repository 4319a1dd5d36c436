/** Finished spans, and how collectors want to have them: OTLP/HTTP in JSON, and Zipkin's v2. */

export interface SpanRecord {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  /** Null for the first span of a trace. */
  readonly parentId: string | null;
  readonly name: string;
  readonly kind: "server" | "client" | "internal";
  /** Wall clock, with fractions. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Names of OpenTelemetry's semantic conventions; `undefined` ones are left out. */
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  readonly failed: boolean;
  /** As it came; empty for none. */
  readonly traceState: string;
}

export interface SpanSource {
  readonly service: string;
  readonly namespace: string;
}

const OTLP_KIND = { internal: 1, server: 2, client: 3 } as const;
const OTLP_ERROR = 2;

/** An ExportTraceServiceRequest (opentelemetry-proto, trace/v1) in its JSON encoding. */
export function otlpJson(spans: readonly SpanRecord[], { service, namespace }: SpanSource): string {
  const resource = {
    attributes: otlpAttributes({
      "service.name": service,
      "service.namespace": namespace === "" ? undefined : namespace,
    }),
  };
  const scopeSpans = [{ scope: { name: "outrigger" }, spans: spans.map(otlpSpan) }];
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] });
}

function otlpSpan(span: SpanRecord): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.traceState === "" ? {} : { traceState: span.traceState }),
    ...(span.parentId === null ? {} : { parentSpanId: span.parentId }),
    name: span.name,
    kind: OTLP_KIND[span.kind],
    startTimeUnixNano: nanoseconds(span.startMs),
    endTimeUnixNano: nanoseconds(span.startMs + span.durationMs),
    attributes: otlpAttributes(span.attributes),
    status: span.failed ? { code: OTLP_ERROR } : {},
  };
}

/** In text, as JSON has no whole numbers of that size; to the microsecond. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1000)}000`;
}

function otlpAttributes(attributes: SpanRecord["attributes"]): object[] {
  const list: object[] = [];
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    if (typeof value === "string") list.push({ key, value: { stringValue: value } });
    else list.push({ key, value: { intValue: String(Math.round(value)) } });
  }
  return list;
}

/** A list of spans as Zipkin's `POST /api/v2/spans` takes it. */
export function zipkinJson(spans: readonly SpanRecord[], { service }: SpanSource): string {
  return JSON.stringify(spans.map((span) => zipkinSpan(span, service)));
}

function zipkinSpan(span: SpanRecord, service: string): object {
  const tags: Record<string, string> = {};
  for (const [key, value] of Object.entries(span.attributes)) {
    if (value !== undefined) tags[key] = String(value);
  }
  // Zipkin takes a span for failed where this tag is there, whatever it says.
  if (span.failed) tags.error = tags["error.type"] ?? "true";
  const peer = span.attributes["peer.service"];
  return {
    traceId: span.traceId,
    id: span.spanId,
    ...(span.parentId === null ? {} : { parentId: span.parentId }),
    name: span.name,
    ...(span.kind === "internal" ? {} : { kind: span.kind.toUpperCase() }),
    timestamp: Math.round(span.startMs * 1000),
    // Zipkin takes 0 for unknown.
    duration: Math.max(1, Math.round(span.durationMs * 1000)),
    localEndpoint: { serviceName: service },
    ...(peer === undefined ? {} : { remoteEndpoint: { serviceName: String(peer) } }),
    tags,
  };
}
