import { expect, test } from "bun:test";
import {
  acceptedOpenMetrics,
  exemplarText,
  newerExemplar,
  openMetricsText,
  splitExemplar,
  withoutExemplars,
} from "./openmetrics.ts";
import { parsePrometheusText, PrometheusText } from "./prometheus_text.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const EXEMPLAR = exemplarText({ traceId: TRACE, value: 0.35, wallMs: 1_767_225_600_250 });
/** What a label may hold at worst. */
const ODD = 'a_bucket{le="1"} 1 # {trace_id="x"} 1 1\\';

function exposition(): string {
  const text = new PrometheusText();
  text.family("app_requests_total", "counter", 'Requests; "all" of them.');
  text.sample("app_requests_total", { route: ODD }, 3);
  text.family("app_body_bytes_total", "counter", "Bytes.");
  text.sample("app_body_bytes_total", {}, 12);
  text.family("app_seconds", "histogram", "Times.");
  const exemplar = (bucket: number): string => (bucket === 1 ? EXEMPLAR : "");
  text.histogram("app_seconds", { route: ODD }, [0.25, 1], [1, 2, 0], 1.5, exemplar);
  text.family("app_active", "gauge", "In flight.");
  text.sample("app_active", {}, 0);
  return text.toString();
}

test("S2-12 OpenMetrics: families without _total, units, bounds as floats, exemplars, the end", () => {
  const route = 'route="a_bucket{le=\\"1\\"} 1 # {trace_id=\\"x\\"} 1 1\\\\"';
  const lines = [
    "# TYPE app_requests counter",
    '# HELP app_requests Requests; \\"all\\" of them.',
    `app_requests_total{${route}} 3`,
    "# TYPE app_body_bytes counter",
    "# UNIT app_body_bytes bytes",
    "# HELP app_body_bytes Bytes.",
    "app_body_bytes_total 12",
    "# TYPE app_seconds histogram",
    "# UNIT app_seconds seconds",
    "# HELP app_seconds Times.",
    `app_seconds_bucket{${route},le="0.25"} 1`,
    `app_seconds_bucket{${route},le="1.0"} 3 # {trace_id="${TRACE}"} 0.35 1767225600.250`,
    `app_seconds_bucket{${route},le="+Inf"} 3`,
    `app_seconds_sum{${route}} 1.5`,
    `app_seconds_count{${route}} 3`,
    "# TYPE app_active gauge",
    "# HELP app_active In flight.",
    "app_active 0",
    "# EOF",
  ];
  expect(openMetricsText(exposition())).toBe(`${lines.join("\n")}\n`);
  expect(openMetricsText("")).toBe("# EOF\n");
});

test("the older text has no exemplar, and all else as it was; labels that look like one stay", () => {
  const text = withoutExemplars(exposition());
  const { families, problems } = parsePrometheusText(text);
  expect(problems).toEqual([]);
  expect(families[0]!.samples[0]!.labels).toEqual({ route: ODD });
  expect(text).toBe(exposition().replace(EXEMPLAR, ""));
  const plain = 'a_total{route="# {x} 1"} 1';
  expect(splitExemplar(plain)).toEqual([plain, ""]);
});

test("what came without _total gets it; a family whose type is unknown says so", () => {
  const text = "# TYPE old_name counter\nold_name{a=\"b\"} 1\n# TYPE odd untyped\nodd 2\n";
  const lines = ["# TYPE old_name counter", 'old_name_total{a="b"} 1'];
  expect(openMetricsText(text)).toBe([...lines, "# TYPE odd unknown", "odd 2", "# EOF\n"].join("\n"));
});

test("of two exemplars the newer one counts", () => {
  const later = exemplarText({ traceId: TRACE, value: 1, wallMs: 1_767_225_600_251 });
  expect(newerExemplar(EXEMPLAR, later)).toBe(later);
  expect(newerExemplar(later, EXEMPLAR)).toBe(later);
  expect(newerExemplar("", EXEMPLAR)).toBe(EXEMPLAR);
});

test("S2-12 which format: as the Accept header says, with its q values", () => {
  const cases: Readonly<Record<string, string | null>> = {
    "": null,
    "*/*": null,
    "text/plain;version=0.0.4": null,
    "application/openmetrics-text": "1.0.0",
    "application/openmetrics-text; version=1.0.0; charset=utf-8": "1.0.0",
    "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1": "0.0.1",
    // As Prometheus 2.42 and 3 ask.
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1":
      "1.0.0",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2":
      "1.0.0",
    "application/openmetrics-text;version=2.0.0": null,
    "application/openmetrics-text;version=1.0.0;q=0.2, text/plain": null,
    "application/openmetrics-text;q=0": null,
    "application/openmetrics-text;q=2": null,
    "APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"": "1.0.0",
  };
  for (const [accept, version] of Object.entries(cases)) {
    expect([accept, acceptedOpenMetrics(accept)]).toEqual([accept, version]);
  }
});
