import { afterEach, expect, test } from "bun:test";
import { parsePrometheusText } from "../../codec/prometheus_text.ts";
import { Rig } from "../../sim/rig.ts";
import { RETRY } from "../../sim/snapshots.ts";
import { reply } from "../../sim/upstream.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

/** A sample's name and labels, as the documentation of the metrics has them. */
const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  outrigger_build_info: ["version"],
  outrigger_requests_total: ["listener", "direction", "route", "code"],
  outrigger_request_duration_seconds: ["listener", "direction", "route"],
  outrigger_requests_active: ["listener", "direction", "route"],
  outrigger_fallbacks_total: ["listener", "direction", "route", "trigger"],
  outrigger_malformed_requests_total: ["listener"],
  outrigger_connections_active: ["listener"],
  outrigger_upstream_tries_total: ["cluster", "code"],
  outrigger_upstream_failures_total: ["cluster", "reason"],
  outrigger_upstream_retries_total: ["cluster"],
  outrigger_upstream_try_duration_seconds: ["cluster"],
  outrigger_upstream_overflow_total: ["cluster", "limit"],
  outrigger_upstream_pending: ["cluster"],
  outrigger_breaker_state: ["cluster"],
  outrigger_breaker_transitions_total: ["cluster", "to"],
};

test("every family is there with its labels, whatever names hold", async () => {
  rig = new Rig({
    version: 'a"b\\c',
    listener: {
      routes: [
        {
          name: 'GET /"items"\\x',
          to: "weird \"name\"",
          fallback: { on: ["exhausted"], status: 200, headers: {}, body: "" },
        },
      ],
    },
    clusters: {
      'weird "name"': {
        breaker: { errorRate: 1, minRequests: 99, windowMs: 1e3, openMs: 1, halfOpenRequests: 1 },
      },
    },
  });
  const first = parsePrometheusText(rig.proxy.metrics());
  expect(first.problems).toEqual([]);
  await rig.ask();
  rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
  await rig.ask();
  const { families, problems } = parsePrometheusText(rig.proxy.metrics());
  expect(problems).toEqual([]);
  for (const [name, labels] of Object.entries(FAMILIES)) {
    const family = families.find((one) => one.name === name);
    const found = Object.keys(family?.samples[0]?.labels ?? {}).filter((label) => label !== "le");
    expect([name, found.sort()]).toEqual([name, [...labels].sort()]);
  }
});

test("counters only grow, and gauges follow what is in flight", async () => {
  rig = new Rig();
  rig.upstream(1, ({ peer }) => rig.world.clock.after(50, () => peer.send(reply(200, "x"))));
  const clients = [rig.client(), rig.client(), rig.client()];
  for (const client of clients) client.get("/");
  await rig.advance(10);
  const gauges = [
    "outrigger_requests_active",
    "outrigger_connections_active",
    "outrigger_upstream_requests_active",
    "outrigger_upstream_connections_active",
  ];
  expect(gauges.map((name) => rig.metric(name))).toEqual([3, 3, 3, 3]);
  expect(rig.metric("outrigger_requests_total")).toBe(0);
  await rig.advance(100);
  expect(gauges.map((name) => rig.metric(name))).toEqual([0, 3, 0, 3]);
  expect(rig.metric("outrigger_requests_total")).toBe(3);
  const inBucket = (le: string): number =>
    rig.metric("outrigger_request_duration_seconds_bucket", { le });
  expect([inBucket("0.05"), inBucket("0.1"), inBucket("+Inf")]).toEqual([0, 3, 3]);
  expect(rig.metric("outrigger_request_duration_seconds_sum")).toBeCloseTo(0.151, 2);
});

test("a caller cannot make labels: unknown hosts and paths share one", async () => {
  rig = new Rig({ route: { path: { kind: "exact", value: "/known" } } });
  for (let count = 0; count < 20; count++) await rig.ask(`/x${count}`, `h${count}`);
  const { families } = parsePrometheusText(rig.proxy.metrics());
  const total = families.find(({ name }) => name === "outrigger_requests_total")!;
  expect(total.samples.map(({ labels, value }) => [labels.route, labels.code, value])).toEqual([
    ["-", "404", 20],
  ]);
});

test("bytes of bodies are counted both ways", async () => {
  rig = new Rig();
  rig.upstream(1, ({ peer }) => peer.send(reply(200, "hello")));
  rig.client().send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc");
  await rig.advance(50);
  expect(rig.metric("outrigger_request_bytes_total", { route: "r0" })).toBe(3);
  expect(rig.metric("outrigger_response_bytes_total", { route: "r0" })).toBe(5);
});

const TRACE_A = "0af7651916cd43dd8448eb211c80319c";
const TRACE_B = "1af7651916cd43dd8448eb211c80319d";

test("S2-12 a bucket's exemplar is its last sampled request; others leave none", async () => {
  rig = new Rig({ route: { filters: [{ filter: "trace_context", config: {} }] } });
  rig.upstream(1, ({ peer }) => rig.world.clock.after(20, () => peer.send(reply(200, "x"))));
  const ask = async (traceId: string, flags: string): Promise<void> => {
    const trace = `Traceparent: 00-${traceId}-b7ad6b7169203331-${flags}`;
    rig.client().send(`GET / HTTP/1.1\r\nHost: shop\r\n${trace}\r\n\r\n`);
    await rig.advance(100);
  };
  await ask(TRACE_B, "00");
  expect(rig.proxy.metrics()).not.toContain("trace_id");
  await ask(TRACE_A, "01");
  await ask(TRACE_B, "00");
  await rig.ask();
  const found = [...rig.proxy.metrics().matchAll(/le="([^"]+)"\} (\d+) # (\{.*\}) (\S+) (\S+)/g)];
  expect(found.map(([, ...parts]) => parts)).toEqual([
    ["0.025", "4", `{trace_id="${TRACE_A}"}`, expect.stringMatching(/^0\.02\d*$/), expect.any(String)],
  ]);
  await ask(TRACE_B, "01");
  expect(rig.proxy.metrics()).not.toContain(TRACE_A);
  expect(rig.proxy.metrics()).toContain(TRACE_B);
});

test("S2-12 per route and per cluster: bytes, retries, the pool, breakers and ejections, from 0 on", async () => {
  rig = new Rig({
    route: { retry: RETRY },
    cluster: {
      breaker: { errorRate: 1, minRequests: 99, windowMs: 1e3, openMs: 1, halfOpenRequests: 1 },
      outlier: {
        consecutive5xx: 2,
        consecutiveGatewayErrors: 0,
        successRate: null,
        intervalMs: 1e4,
        baseMs: 1e4,
        maxMs: 1e4,
        maxEjectedRatio: 0.5,
      },
    },
  });
  const route = { route: "r0" };
  const cluster = { cluster: "app" };
  expect(rig.metric("outrigger_upstream_ejections_total", { ...cluster, reason: "5xx" })).toBe(0);
  expect(parsePrometheusText(rig.proxy.metrics()).families.find(({ name }) => {
    return name === "outrigger_upstream_ejections_total";
  })!.samples.length).toBe(3);
  let tries = 0;
  rig.upstream(1, ({ peer }) => peer.send(reply(tries++ === 0 ? 503 : 200, "hello")));
  rig.client().send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc");
  await rig.advance(1_000);
  const seen = {
    retries: rig.metric("outrigger_retries_total", route),
    retriesOfCluster: rig.metric("outrigger_upstream_retries_total", cluster),
    fromCaller: rig.metric("outrigger_request_bytes_total", route),
    toCaller: rig.metric("outrigger_response_bytes_total", route),
    sent: rig.metric("outrigger_upstream_sent_bytes_total", cluster),
    received: rig.metric("outrigger_upstream_received_bytes_total", cluster),
    connections: rig.metric("outrigger_upstream_connections_active", cluster),
    idle: rig.metric("outrigger_upstream_connections_idle", cluster),
    breaker: rig.metric("outrigger_breaker_state", cluster),
  };
  expect(seen).toEqual({
    retries: 1,
    retriesOfCluster: 1,
    fromCaller: 3,
    toCaller: 5,
    sent: 6,
    received: 10,
    connections: 1,
    idle: 1,
    breaker: 0,
  });
});
