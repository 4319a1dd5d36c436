/** Finished spans of a proxy, and how collectors want to have them: OTLP/HTTP in JSON, Zipkin's v2. */

export interface SpanRecord {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  /** Null for the first span of a trace. */
  readonly parentId: string | null;
  /** `server`: a request that came in. `client`: a try. `internal`: what holds tries together. */
  readonly kind: "server" | "client" | "internal";
  /** Wall clock, with fractions. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly method: string;
  /** Without its query; empty where it is not told. */
  readonly path: string;
  /** As the Snapshot names it; empty for none. */
  readonly route: string;
  /** Whom a try is for; empty for none. */
  readonly peer: string;
  /** Where the try went: `address:port`; empty where it got nowhere. */
  readonly upstream: string;
  /** 0 for the first try. */
  readonly retry: number;
  /** 0 where there was no answer. */
  readonly status: number;
  /** Why it failed; empty where it did not. */
  readonly error: string;
  /** Envoy's response flags, joined by commas. */
  readonly flags: string;
  readonly requestId: string | null;
  /** W3C's tracestate as it came; empty for none. */
  readonly traceState: string;
}

/** Whose spans they are. */
export interface SpanSource {
  readonly service: string;
  readonly namespace: string;
}

type Attributes = Readonly<Record<string, string | number | null>>;

/** Low in number, as collectors index it: never a caller's path. */
function nameOf({ method, route, peer, kind }: SpanRecord): string {
  const what = kind === "client" && peer !== "" ? peer : route;
  return what === "" ? method : `${method} ${what}`;
}

const OTLP_KIND = { internal: 1, server: 2, client: 3 } as const;
const OTLP_ERROR = 2;

/** An ExportTraceServiceRequest (opentelemetry-proto, trace/v1) in its JSON encoding. */
export function otlpJson(spans: readonly SpanRecord[], { service, namespace }: SpanSource): string {
  const resource = {
    attributes: otlpAttributes({
      "service.name": service,
      "service.namespace": namespace,
    }),
  };
  const scopeSpans = [{ scope: { name: "outrigger" }, spans: spans.map(otlpSpan) }];
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] });
}

/** Attributes have the names of OpenTelemetry's semantic conventions for HTTP, where it has some. */
function otlpSpan(span: SpanRecord): object {
  const { host, port } = addressOf(span.upstream);
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.traceState === "" ? {} : { traceState: span.traceState }),
    ...(span.parentId === null ? {} : { parentSpanId: span.parentId }),
    name: nameOf(span),
    kind: OTLP_KIND[span.kind],
    startTimeUnixNano: nanoseconds(span.startMs),
    endTimeUnixNano: nanoseconds(span.startMs + span.durationMs),
    attributes: otlpAttributes({
      "http.request.method": span.method,
      "url.path": span.path,
      "http.route": span.route,
      "http.response.status_code": span.status,
      "http.request.resend_count": span.retry,
      "peer.service": span.peer,
      "server.address": host,
      "server.port": port,
      "error.type": span.error,
      "outrigger.response_flags": span.flags,
      "outrigger.request_id": span.requestId,
    }),
    status: span.error === "" ? {} : { code: OTLP_ERROR },
  };
}

/** In text, as JSON has no whole numbers of that size; to the microsecond. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1000)}000`;
}

function otlpAttributes(attributes: Attributes): object[] {
  const list: object[] = [];
  for (const [key, value] of Object.entries(attributes)) {
    // Empty is none, and so is 0: of a status, of retries, of a port.
    if (value === null || value === "" || value === 0) continue;
    if (typeof value === "string") list.push({ key, value: { stringValue: value } });
    else list.push({ key, value: { intValue: String(value) } });
  }
  return list;
}

/** A list of spans as Zipkin's `POST /api/v2/spans` takes it. Tags are named as Envoy names them. */
export function zipkinJson(spans: readonly SpanRecord[], { service }: SpanSource): string {
  return JSON.stringify(spans.map((span) => zipkinSpan(span, service)));
}

function zipkinSpan(span: SpanRecord, service: string): object {
  const attributes: Attributes = {
    "http.method": span.method,
    "http.path": span.path,
    "http.route": span.route,
    "http.status_code": span.status,
    upstream_cluster: span.peer,
    upstream_address: span.upstream,
    "retry.number": span.retry,
    response_flags: span.flags,
    "guid:x-request-id": span.requestId,
    // Zipkin takes a span for failed where this tag is there, whatever it says.
    error: span.error,
  };
  const tags: Record<string, string> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== "" && value !== 0) tags[key] = String(value);
  }
  return {
    traceId: span.traceId,
    id: span.spanId,
    ...(span.parentId === null ? {} : { parentId: span.parentId }),
    name: nameOf(span),
    ...(span.kind === "internal" ? {} : { kind: span.kind.toUpperCase() }),
    timestamp: Math.round(span.startMs * 1000),
    // Zipkin takes 0 for unknown.
    duration: Math.max(1, Math.round(span.durationMs * 1000)),
    localEndpoint: { serviceName: service },
    ...(span.peer === "" ? {} : { remoteEndpoint: remoteEndpoint(span) }),
    tags,
  };
}

function remoteEndpoint({ peer, upstream }: SpanRecord): object {
  const { host, port } = addressOf(upstream);
  if (host === "") return { serviceName: peer };
  return { serviceName: peer, [host.includes(":") ? "ipv6" : "ipv4"]: host, port };
}

/** Of `127.0.0.1:80` or `[::1]:80`. */
function addressOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return { host: "", port: 0 };
  return { host: text.slice(0, colon).replaceAll(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}
