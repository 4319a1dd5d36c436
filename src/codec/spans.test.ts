import { expect, test } from "bun:test";
import { otlpJson, type SpanRecord, zipkinJson } from "./spans.ts";

const SPAN: SpanRecord = {
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  parentId: "1111111111111111",
  kind: "client",
  startMs: 1_767_225_600_000.125,
  durationMs: 2.5,
  method: "GET",
  path: "/items",
  route: "/*",
  peer: "api",
  upstream: "10.0.1.1:80",
  retry: 1,
  status: 503,
  error: "503",
  flags: "",
  requestId: "r-1",
  traceState: "a=b",
};
const ROOT: SpanRecord = {
  ...SPAN,
  parentId: null,
  kind: "server",
  peer: "",
  upstream: "",
  retry: 0,
  status: 200,
  error: "",
  durationMs: 0,
  requestId: null,
  traceState: "",
};
const SOURCE = { service: "shop", namespace: "default" };

test("OTLP in JSON: ids in hexadecimal digits, times and whole numbers as text", () => {
  expect(JSON.parse(otlpJson([SPAN], SOURCE))).toEqual({
    resourceSpans: [
      {
        resource: {
          attributes: [
            { key: "service.name", value: { stringValue: "shop" } },
            { key: "service.namespace", value: { stringValue: "default" } },
          ],
        },
        scopeSpans: [
          {
            scope: { name: "outrigger" },
            spans: [
              {
                traceId: SPAN.traceId,
                spanId: SPAN.spanId,
                traceState: "a=b",
                parentSpanId: SPAN.parentId,
                name: "GET api",
                kind: 3,
                startTimeUnixNano: "1767225600000125000",
                endTimeUnixNano: "1767225600002625000",
                attributes: [
                  { key: "http.request.method", value: { stringValue: "GET" } },
                  { key: "url.path", value: { stringValue: "/items" } },
                  { key: "http.route", value: { stringValue: "/*" } },
                  { key: "http.response.status_code", value: { intValue: "503" } },
                  { key: "http.request.resend_count", value: { intValue: "1" } },
                  { key: "peer.service", value: { stringValue: "api" } },
                  { key: "server.address", value: { stringValue: "10.0.1.1" } },
                  { key: "server.port", value: { intValue: "80" } },
                  { key: "error.type", value: { stringValue: "503" } },
                  { key: "outrigger.request_id", value: { stringValue: "r-1" } },
                ],
                status: { code: 2 },
              },
            ],
          },
        ],
      },
    ],
  });
});

test("OTLP leaves out what there is none of", () => {
  const { resourceSpans } = JSON.parse(otlpJson([ROOT], SOURCE));
  const [span] = resourceSpans[0].scopeSpans[0].spans;
  expect([span.name, span.kind, span.status]).toEqual(["GET /*", 2, {}]);
  expect(Object.keys(span)).not.toContain("parentSpanId");
  expect(span.attributes.map(({ key }: { key: string }) => key)).toEqual([
    "http.request.method",
    "url.path",
    "http.route",
    "http.response.status_code",
  ]);
});

test("Zipkin v2: times in microseconds, tags as Envoy names them, the other end, an error", () => {
  expect(JSON.parse(zipkinJson([SPAN], SOURCE))).toEqual([
    {
      traceId: SPAN.traceId,
      id: SPAN.spanId,
      parentId: SPAN.parentId,
      name: "GET api",
      kind: "CLIENT",
      timestamp: 1_767_225_600_000_125,
      duration: 2500,
      localEndpoint: { serviceName: "shop" },
      remoteEndpoint: { serviceName: "api", ipv4: "10.0.1.1", port: 80 },
      tags: {
        "http.method": "GET",
        "http.path": "/items",
        "http.route": "/*",
        "http.status_code": "503",
        upstream_cluster: "api",
        upstream_address: "10.0.1.1:80",
        "retry.number": "1",
        "guid:x-request-id": "r-1",
        error: "503",
      },
    },
  ]);
});

test("Zipkin takes 0 for unknown, and knows no inner spans", () => {
  const [first] = JSON.parse(zipkinJson([{ ...ROOT, kind: "internal" }], SOURCE));
  expect(first.duration).toBe(1);
  for (const key of ["kind", "parentId", "remoteEndpoint"]) expect(Object.keys(first)).not.toContain(key);
});

test("an IPv6 address of the other end", () => {
  const [one] = JSON.parse(zipkinJson([{ ...SPAN, upstream: "::1:80" }], SOURCE));
  expect(one.remoteEndpoint).toEqual({ serviceName: "api", ipv6: "::1", port: 80 });
});
