import { expect, test } from "bun:test";
import { exemplarText } from "../../codec/openmetrics.ts";
import { parsePrometheusText, PrometheusText, sumOfSamples } from "../../codec/prometheus_text.ts";
import { remainingMetrics, sumMetrics } from "./sum_metrics.ts";

interface Shown {
  readonly requests: Readonly<Record<string, number>>;
  readonly healthy: number;
  readonly ejected: number;
  readonly breaker: number;
}

/** What one worker shows. */
function textOf({ requests, healthy, ejected, breaker }: Shown): string {
  const text = new PrometheusText();
  text.family("outrigger_build_info", "gauge", "1.");
  text.sample("outrigger_build_info", { version: "1" }, 1);
  text.family("outrigger_requests_total", "counter", "Requests.");
  for (const [route, count] of Object.entries(requests)) {
    text.sample("outrigger_requests_total", { listener: "in", route, code: "200" }, count);
  }
  text.family("outrigger_duration_seconds", "histogram", "Times.");
  const labels = { listener: "in", route: "a" };
  text.histogram("outrigger_duration_seconds", labels, [0.1, 1], [1, 2, 3], 0.5);
  text.family("outrigger_requests_active", "gauge", "In flight.");
  text.sample("outrigger_requests_active", labels, 2);
  text.family("outrigger_upstream_endpoints", "gauge", "Endpoints.");
  text.sample("outrigger_upstream_endpoints", { cluster: "api", state: "healthy" }, healthy);
  text.sample("outrigger_upstream_endpoints", { cluster: "api", state: "ejected" }, ejected);
  text.family("outrigger_breaker_state", "gauge", "State.");
  text.sample("outrigger_breaker_state", { cluster: "api" }, breaker);
  text.family("outrigger_tls_certificate_not_after_seconds", "gauge", "Expiry.");
  text.sample("outrigger_tls_certificate_not_after_seconds", { listener: "in" }, 1_900_000_000);
  return text.toString();
}

const A = textOf({ requests: { a: 1, "b\"}": 2 }, healthy: 3, ejected: 0, breaker: 2 });
const B = textOf({ requests: { a: 10, c: 5 }, healthy: 2, ejected: 1, breaker: 2 });

test("counters and histograms add up, and gauges by their meaning", () => {
  const text = sumMetrics([A, B]);
  const exposition = parsePrometheusText(text);
  expect(exposition.problems).toEqual([]);
  const value = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
    sumOfSamples(exposition, name, labels);
  expect(["a", 'b"}', "c"].map((route) => value("outrigger_requests_total", { route }))).toEqual([
    11, 2, 5,
  ]);
  expect(value("outrigger_duration_seconds_count")).toBe(12);
  expect(value("outrigger_duration_seconds_sum")).toBe(1);
  expect(value("outrigger_duration_seconds_bucket", { le: "1" })).toBe(6);
  expect(value("outrigger_requests_active")).toBe(4);
  expect(value("outrigger_upstream_endpoints", { state: "healthy" })).toBe(2);
  expect(value("outrigger_upstream_endpoints", { state: "ejected" })).toBe(1);
  expect(value("outrigger_breaker_state")).toBe(2);
  expect(value("outrigger_build_info")).toBe(1);
  expect(value("outrigger_tls_certificate_not_after_seconds")).toBe(1_900_000_000);
});

test("of one that is gone stays what only grows, for what the others still show", () => {
  const exposition = parsePrometheusText(sumMetrics([B, remainingMetrics(A, B)]));
  expect(exposition.problems).toEqual([]);
  const all = sumOfSamples(exposition, "outrigger_requests_total");
  expect(all).toBe(10 + 5 + 1);
  expect(sumOfSamples(exposition, "outrigger_requests_active")).toBe(2);
  expect(sumOfSamples(exposition, "outrigger_duration_seconds_count")).toBe(12);
});

test("S2-12 of several workers' exemplars the newest of each bucket stays", () => {
  const worker = (traceId: string, seconds: number): string => {
    const text = new PrometheusText();
    text.family("outrigger_duration_seconds", "histogram", "Times.");
    const exemplar = exemplarText({ traceId, value: 0.05, wallMs: seconds * 1000 });
    const labels = { route: 'a # {x="1"} 2' };
    const behind = (bucket: number): string => (bucket === 0 ? exemplar : "");
    text.histogram("outrigger_duration_seconds", labels, [0.1], [1, 0], 0.05, behind);
    return text.toString();
  };
  const sum = sumMetrics([worker("a", 10), worker("b", 30), worker("c", 20)]);
  expect(sum).toContain('le="0.1"} 3 # {trace_id="b"} 0.05 30.000\n');
  expect(sum.match(/trace_id/g)!.length).toBe(1);
  // What a dead worker leaves is counts, not examples.
  expect(remainingMetrics(sum, sum)).not.toContain("trace_id");
});
