import { expect, test } from "bun:test";
import { openMetricsText } from "../codec/openmetrics.ts";
import { parsePrometheusText } from "../codec/prometheus_text.ts";
import { mergeMetrics } from "./merge_metrics.ts";

test("S2-12 merged metrics are a valid exposition: each family once, with all its samples", () => {
  const one = (name: string) =>
    `# HELP a_total A.\n# TYPE a_total counter\na_total{p="${name}"} 1\n` +
    `# HELP b_seconds B.\n# TYPE b_seconds histogram\nb_seconds_bucket{p="${name}",le="+Inf"} 2\n` +
    `b_seconds_sum{p="${name}"} 3\nb_seconds_count{p="${name}"} 2\n`;
  const merged = mergeMetrics([one("x"), one("y"), ""]);
  const { families, problems } = parsePrometheusText(merged);
  expect(problems).toEqual([]);
  expect(families.map(({ name }) => name)).toEqual(["a_total", "b_seconds"]);
  expect(merged.match(/^# TYPE a_total/gm)?.length).toBe(1);
  expect(merged.match(/^a_total\{/gm)?.length).toBe(2);
  expect(mergeMetrics([])).toBe("");
});

test("a family that another text has with another type stays valid: that one's samples are left out", () => {
  const counter = '# TYPE a counter\na{p="x"} 1\n';
  const histogram =
    '# TYPE a histogram\na_bucket{le="+Inf"} 2\na_sum 3\na_count 2\n# TYPE b gauge\nb 1\n';
  const merged = mergeMetrics([counter, histogram]);
  expect(parsePrometheusText(merged).problems).toEqual([]);
  expect(merged).toBe('# TYPE a counter\na{p="x"} 1\n# TYPE b gauge\nb 1\n');
});

test("S2-12 exemplars stay behind their buckets", () => {
  const bucket = 'a_seconds_bucket{route="x # {",le="1"} 2 # {trace_id="ab"} 0.5 1.000';
  const own = `# TYPE a_seconds histogram\n${bucket}\na_seconds_sum 1\na_seconds_count 2\n`;
  const merged = mergeMetrics([own, "# TYPE b gauge\nb 1\n"]);
  expect(merged).toBe(`${own}# TYPE b gauge\nb 1\n`);
  expect(openMetricsText(merged)).toContain('le="1.0"} 2 # {trace_id="ab"} 0.5 1.000\n');
});
