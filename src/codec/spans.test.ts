import { expect, test } from "bun:test";
import { otlpJson, type SpanRecord, zipkinJson } from "./spans.ts";

const SPAN: SpanRecord = {
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  parentId: "1111111111111111",
  name: "GET",
  kind: "client",
  startMs: 1_767_225_600_000.125,
  durationMs: 2.5,
  attributes: {
    "http.response.status_code": 503,
    "peer.service": "api",
    "error.type": "503",
    left: undefined,
  },
  failed: true,
  traceState: "a=b",
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
                name: "GET",
                kind: 3,
                startTimeUnixNano: "1767225600000125000",
                endTimeUnixNano: "1767225600002625000",
                attributes: [
                  { key: "http.response.status_code", value: { intValue: "503" } },
                  { key: "peer.service", value: { stringValue: "api" } },
                  { key: "error.type", value: { stringValue: "503" } },
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

test("Zipkin v2: times in microseconds, all attributes as tags, an error tag", () => {
  expect(JSON.parse(zipkinJson([SPAN], SOURCE))).toEqual([
    {
      traceId: SPAN.traceId,
      id: SPAN.spanId,
      parentId: SPAN.parentId,
      name: "GET",
      kind: "CLIENT",
      timestamp: 1_767_225_600_000_125,
      duration: 2500,
      localEndpoint: { serviceName: "shop" },
      remoteEndpoint: { serviceName: "api" },
      tags: {
        "http.response.status_code": "503",
        "peer.service": "api",
        "error.type": "503",
        error: "503",
      },
    },
  ]);
  const first = { ...SPAN, parentId: null, kind: "internal", durationMs: 0, failed: false } as const;
  const [written] = JSON.parse(zipkinJson([first], SOURCE)) as Record<string, unknown>[];
  expect(written!.duration).toBe(1);
  expect(Object.keys(written!)).not.toContain("kind");
  expect(Object.keys(written!)).not.toContain("parentId");
});
