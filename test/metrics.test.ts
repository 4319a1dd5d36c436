/** A real Prometheus scrapes sidecars: OpenMetrics with exemplars, and counts that equal the load. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { parsePrometheusText } from "../src/codec/prometheus_text.ts";
import { adminOf } from "./kit/admin.ts";
import { Place } from "./kit/outrigger.ts";
import { partOf } from "./kit/parts.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft } from "./kit/processes.ts";

setDefaultTimeout(60_000);

const [prometheus, promtool] = [await partOf("prometheus"), await partOf("promtool")];

/** Fails on /bad, answers all else with 7 bytes. */
const APP =
  "require('node:http').createServer((q, r) => { q.resume(); " +
  "r.statusCode = q.url === '/bad' ? 500 : 200; r.end('content') })" +
  ".listen(Number(process.env.PORT), '127.0.0.1')";

const WORKERS = { one: 1, several: 2 } as const;
type Name = keyof typeof WORKERS;

const place = new Place();
const ports = {} as Record<Name, number>;
const scraped = {} as Record<Name, string>;
let api: string;

beforeAll(async () => {
  if (prometheus === null || promtool === null) return;
  const files: string[] = [];
  for (const name of Object.keys(WORKERS) as Name[]) {
    ports[name] = await freePort();
    const text = [
      "apiVersion: outrigger.dev/v1alpha1",
      "kind: App",
      `metadata: { name: ${name}, namespace: test }`,
      "spec:",
      `  port: ${ports[name]}`,
      `  run: { command: [node, -e, ${JSON.stringify(APP)}], port: ${await freePort()} }`,
      '  env: { PORT: "{{run.port}}" }',
      `  sidecar: { workers: ${WORKERS[name]} }`,
      "",
    ];
    files.push(place.write(`${name}.yaml`, text.join("\n")));
  }
  await place.up(...files);
  for (const name of Object.keys(WORKERS) as Name[]) {
    scraped[name] = (await adminOf(place, `test/${name}`)).readOnly;
  }
  await startPrometheus();
});

afterAll(async () => {
  await place.end();
  killLeft();
});

async function startPrometheus(): Promise<void> {
  const targets = Object.entries(scraped).map(([name, address]) => [
    "      - targets: [" + JSON.stringify(address) + "]",
    `        labels: { app: ${name} }`,
  ]);
  const config = [
    "global: { scrape_interval: 500ms }",
    "scrape_configs:",
    "  - job_name: sidecars",
    "    static_configs:",
    ...targets.flat(),
    "",
  ];
  const port = await freePort();
  api = `http://127.0.0.1:${port}/api/v1`;
  place.startProgram([
    prometheus!,
    `--config.file=${place.write("prometheus.yml", config.join("\n"))}`,
    `--storage.tsdb.path=${place.path("tsdb")}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--enable-feature=exemplar-storage",
  ]);
  await untilTrue("both sidecars scraped", async () => {
    return (await valuesOf("up")).filter(({ value }) => value === 1).length === 2;
  });
}

interface Valued {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

async function valuesOf(query: string): Promise<readonly Valued[]> {
  const answer = await fetch(`${api}/query?query=${encodeURIComponent(query)}`);
  const { data } = (await answer.json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

interface ExemplarSeries {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: string;
    readonly timestamp: number;
  }[];
}

async function exemplarsOf(app: Name): Promise<readonly ExemplarSeries[]> {
  const query = `outrigger_request_duration_seconds_bucket{app="${app}"}`;
  const [start, end] = [Date.now() / 1000 - 600, Date.now() / 1000 + 600];
  const more = `&start=${start}&end=${end}`;
  const answer = await fetch(`${api}/query_exemplars?query=${encodeURIComponent(query)}${more}`);
  const { status, data } = (await answer.json()) as { status: string; data: ExemplarSeries[] };
  if (status !== "success") throw new Error(`query_exemplars: ${status}`);
  return data;
}

const traceId = (n: number): string => n.toString(16).padStart(32, "a");

/** Requests on connections of their own, so that each worker gets some; every tenth is sampled. */
async function load(app: Name, count: number): Promise<{ good: number; bad: number }> {
  const sent = { good: 0, bad: 0 };
  for (let n = 0; n < count; n++) {
    const path = n % 5 === 0 ? "/bad" : "/good";
    const headers = {
      connection: "close",
      traceparent: `00-${traceId(n)}-b7ad6b7169203331-${n % 10 === 1 ? "01" : "00"}`,
    };
    const answer = await fetch(`http://127.0.0.1:${ports[app]}${path}`, {
      method: "POST",
      body: "abc",
      headers,
    });
    await answer.text();
    if (answer.status === 500) sent.bad++;
    else sent.good++;
  }
  return sent;
}

async function scrape(app: Name, accept: string): Promise<{ type: string; text: string }> {
  const answer = await fetch(`http://${scraped[app]}/metrics`, { headers: { accept } });
  return { type: answer.headers.get("content-type") ?? "", text: await answer.text() };
}

describe.skipIf(prometheus === null || promtool === null)("metrics", () => {
  for (const app of Object.keys(WORKERS) as Name[]) {
    const who = `${WORKERS[app]} worker${WORKERS[app] === 1 ? "" : "s"}`;

    test(`S2-12 ${who}: Prometheus counts what was sent, and finds the trace of a sampled request`, async () => {
      const { good, bad } = await load(app, 60);
      expect([good, bad]).toEqual([48, 12]);
      const counted = (code: string): Promise<number> =>
        valuesOf(`sum(outrigger_requests_total{app="${app}",code="${code}"})`).then(
          ([first]) => first?.value ?? 0,
        );
      await untilTrue("all requests scraped", async () => (await counted("200")) === good);
      expect(await counted("500")).toBe(bad);
      const sum = async (name: string): Promise<number> =>
        (await valuesOf(`sum(${name}{app="${app}"})`))[0]!.value;
      expect(await sum("outrigger_request_duration_seconds_count")).toBe(60);
      expect(await sum("outrigger_request_bytes_total")).toBe(180);
      expect(await sum("outrigger_upstream_received_bytes_total")).toBe(420);
      const series = await until("an exemplar", async () => {
        const found = await exemplarsOf(app);
        return found.length === 0 ? null : found;
      });
      const sampled = new Set([1, 11, 21, 31, 41, 51].map(traceId));
      for (const { seriesLabels, exemplars } of series) {
        expect(seriesLabels["__name__"]).toBe("outrigger_request_duration_seconds_bucket");
        for (const { labels, value, timestamp } of exemplars) {
          expect(Object.keys(labels)).toEqual(["trace_id"]);
          expect(sampled.has(labels["trace_id"]!)).toBe(true);
          expect(Number(value)).toBeLessThanOrEqual(Number(seriesLabels["le"]!.replace("+", "")));
          expect(Math.abs(timestamp - Date.now() / 1000)).toBeLessThan(600);
        }
      }
    });

    test(`S2-12 ${who}: Prometheus asks for OpenMetrics and gets it; promtool takes the older text`, async () => {
      const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
      const open = await scrape(app, accept);
      expect(open.type).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
      expect(open.text).toEndWith("\n# EOF\n");
      expect(open.text).toContain('# {trace_id="');
      const families = [...open.text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
      expect(new Set(families).size).toBe(families.length);
      const plain = await scrape(app, "text/plain");
      expect(plain.type).toStartWith("text/plain; version=0.0.4");
      expect(parsePrometheusText(plain.text).problems).toEqual([]);
      const stdin = Buffer.from(plain.text);
      const done = Bun.spawnSync([promtool!, "check", "metrics"], { stdin });
      expect([done.exitCode, `${done.stdout}${done.stderr}`]).toEqual([0, ""]);
    });
  }

  test("S2-12 what the issue asks for is there, for each route and each cluster", async () => {
    const names = {
      "outrigger_requests_total": ["route", "code"],
      "outrigger_request_duration_seconds_bucket": ["route", "le"],
      "outrigger_request_bytes_total": ["route"],
      "outrigger_response_bytes_total": ["route"],
      "outrigger_retries_total": ["route"],
      "outrigger_upstream_tries_total": ["cluster", "code"],
      "outrigger_upstream_try_duration_seconds_bucket": ["cluster", "le"],
      "outrigger_upstream_sent_bytes_total": ["cluster"],
      "outrigger_upstream_received_bytes_total": ["cluster"],
      "outrigger_upstream_retries_total": ["cluster"],
      "outrigger_upstream_connections_active": ["cluster"],
      "outrigger_upstream_connections_idle": ["cluster"],
      "outrigger_upstream_pending": ["cluster"],
      "outrigger_upstream_endpoints": ["cluster", "state"],
    };
    for (const [name, labels] of Object.entries(names)) {
      const series = await valuesOf(`${name}{app="one"}`);
      expect([name, series.length > 0]).toEqual([name, true]);
      for (const label of labels) expect(series[0]!.metric[label]).toBeString();
    }
  });
});
