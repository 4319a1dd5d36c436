import { expect, test } from "bun:test";
import { parsePrometheusText } from "../../codec/prometheus_text.ts";
import type { PipelineRunner } from "../runner.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { append, expectBalanced, policyOf, startPipeline, worldWithLogs } from "../testdata/harness.ts";

const LOG = "/logs/app.log";

async function run(
  config: Readonly<Record<string, unknown>>,
  events: readonly unknown[],
): Promise<{ world: SimulatedWorld; runner: PipelineRunner; series: () => Map<string, number> }> {
  const world = worldWithLogs(1);
  append(world, LOG, events.map((one) => `${JSON.stringify(one)}\n`).join(""));
  const sinks = { out: { component: "prometheus", config: config as never } };
  const steps = [{ component: "parse", config: { json: {} } }];
  const runner = startPipeline(world, policyOf({ sinks, steps }));
  await world.clock.advance(3000);
  const series = (): Map<string, number> => {
    const { families, problems } = parsePrometheusText(runner.sinkMetrics().join(""));
    expect(problems).toEqual([]);
    const own = ({ pipeline, sink, ...rest }: Readonly<Record<string, string>>): string => {
      expect([pipeline, sink]).toEqual(["test", "out"]);
      return Object.entries(rest).map(([name, value]) => `${name}=${value}`).join();
    };
    return new Map(
      families.flatMap(({ samples }) =>
        samples.map(({ name, labels, value }) => [`${name} ${own(labels)}`.trim(), value]),
      ),
    );
  };
  return { world, runner, series };
}

test("counters count, sum where told, and never fall; gauges show the last one", async () => {
  const { runner, series } = await run(
    {
      metrics: {
        orders_total: { kind: "counter", labels: { level: "event.level" } },
        bytes_total: { kind: "counter", of: "event.bytes" },
        errors_total: { kind: "counter", when: 'event.level == "error"' },
        queue: { kind: "gauge", of: "event.queue" },
      },
    },
    [
      { level: "info", bytes: 10, queue: 5 },
      { level: "error", bytes: -3, queue: 2 },
      { level: "info", bytes: "many" },
      { bytes: 1.5 },
    ],
  );
  expect(Object.fromEntries(series())).toEqual({
    "orders_total level=info": 2,
    "orders_total level=error": 1,
    "orders_total level=": 1,
    bytes_total: 11.5,
    errors_total: 1,
    queue: 2,
  });
  expect(runner.ledger().sinks["out"]).toMatchObject({ received: 4, delivered: 4, buffered: 0 });
  expect(runner.metrics()).toContain('counter="passed_over"} 4');
  expectBalanced(runner);
});

test("a histogram's buckets are cumulative, and a value at a bound is within it", async () => {
  const metrics = { seconds: { kind: "histogram", of: "event.s", buckets: [0.1, 1, 5] } };
  const { series } = await run(
    { metrics },
    [0.1, 0.05, 0.11, 5, 6].map((s) => ({ s })),
  );
  expect(Object.fromEntries(series())).toEqual({
    "seconds_bucket le=0.1": 2,
    "seconds_bucket le=1": 3,
    "seconds_bucket le=5": 4,
    "seconds_bucket le=+Inf": 5,
    seconds_sum: 11.26,
    seconds_count: 5,
  });
});

test("cardinality is bounded: what is beyond counts in one series, and none is lost", async () => {
  const events = Array.from({ length: 500 }, (_, i) => ({ user: `u${i}` }));
  const { runner, series } = await run(
    { maxSeries: 10, metrics: { seen: { kind: "counter", labels: { user: "event.user" } } } },
    [...events, { user: "u3" }, { user: "x".repeat(10_000) }],
  );
  const found = series();
  expect(found.size).toBe(11);
  expect(found.get("seen user=u3")).toBe(2);
  expect(found.get("seen user=(other)")).toBe(491);
  expect([...found.values()].reduce((sum, value) => sum + value)).toBe(502);
  expect(runner.metrics()).toContain('counter="overflowed"} 491');
});

test("a series that nothing touches is forgotten where that is wanted", async () => {
  const metrics = { seen: { kind: "counter", labels: { user: "event.user" } } };
  const { world, series } = await run({ forgetAfter: "1m", metrics }, [{ user: "a" }, { user: "b" }]);
  await world.clock.advance(50_000);
  append(world, LOG, '{"user":"b"}\n');
  await world.clock.advance(30_000);
  expect(Object.fromEntries(series())).toEqual({ "seen user=b": 2 });
});

test("names of the process's own metrics and labels, and what makes no sense, are refused", async () => {
  for (const [metrics, problem] of [
    [{ outrigger_up: { kind: "counter" } }, "outrigger_up"],
    [{ a: { kind: "counter", labels: { pipeline: "event.x" } } }, "pipeline"],
    [{ a: { kind: "gauge" } }, "a gauge needs of"],
    [{ a: { kind: "histogram", of: "event.s" } }, "a histogram needs buckets"],
    [{ a: { kind: "histogram", of: "event.s", buckets: [2, 1] } }, "buckets have to rise"],
  ] as const) {
    expect(run({ metrics }, [])).rejects.toThrow(problem);
  }
});
