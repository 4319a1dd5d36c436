import { describe, expect, test } from "bun:test";
import { parsePrometheusText } from "../codec/prometheus_text.ts";
import { Failure } from "../base/failure.ts";
import { PipelineRunner } from "./runner.ts";
import { FakeElasticsearch } from "./testdata/fake_elasticsearch.ts";
import {
  FOLLOW,
  STDOUT,
  append,
  expectBalanced,
  messages,
  policyOf,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "./testdata/harness.ts";

const LOG = "/logs/app.log";
const SEARCH = {
  component: "elasticsearch",
  config: { url: "http://search:9200", index: "logs", batch: { maxAge: "100ms" } },
};

function numbered(count: number, from = 0): string {
  return Array.from({ length: count }, (_, i) => `${from + i}\n`).join("");
}

describe("fan out", () => {
  test("every sink gets every event; an event is delivered when all took it", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    const policy = policyOf({ sinks: { out: STDOUT, search: SEARCH } });
    server.whole = () => "none";
    const runner = startPipeline(world, policy, { post: server.post });
    append(world, LOG, numbered(10));
    await world.clock.advance(3000);
    expect(messages(world).length).toBe(10);
    const none = { made: 0, recovered: 0, dropped: {}, deadLettered: 0, replaced: 0 };
    const ofSink = { received: 10, recovered: 0, deadLettered: 0, dropped: 0 };
    expect(runner.ledger()).toEqual({
      sources: { app: { ...none, received: 10, delivered: 0, buffered: 10 } },
      sinks: {
        out: { ...ofSink, delivered: 10, buffered: 0 },
        search: { ...ofSink, delivered: 0, buffered: 10 },
      },
    });
    server.whole = () => null;
    await world.clock.advance(60_000);
    expect(server.documents.size).toBe(10);
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 10, buffered: 0 });
    expectBalanced(runner);
  });

  test("dead-lettered by one sink, taken by the other: counted once", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    server.item = ({ document }) => (document.includes('"3"') ? 400 : 201);
    const policy = policyOf({ sinks: { out: STDOUT, search: SEARCH } });
    const runner = startPipeline(world, policy, { post: server.post });
    append(world, LOG, numbered(5));
    await world.clock.advance(5000);
    expect(messages(world).length).toBe(5);
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 4, deadLettered: 1 });
    expect(runner.ledger().sinks["search"]).toMatchObject({ delivered: 4, deadLettered: 1 });
    expectBalanced(runner);
  });

  test("steps and sinks that name their sources", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "from a\n");
    append(world, "/logs/b.txt", "from b\n");
    append(world, "/logs/c.txt", "from c\n");
    const file = (path: string) => ({ component: "file", config: { include: [path] } });
    const policy = policyOf({
      sources: { a: FOLLOW, b: file("/logs/b.txt"), c: file("/logs/c.txt") },
      steps: [{ component: "enrich", config: { fields: { marked: "yes" } }, from: ["b"] }],
      sinks: { out: { ...STDOUT, from: ["a", "b"] } },
    });
    const runner = startPipeline(world, policy);
    await world.clock.advance(3000);
    expect(world.stdio.text()).toBe('{"message":"from a"}\n{"message":"from b","marked":"yes"}\n');
    expect(runner.ledger().sources["c"]).toMatchObject({ received: 1, dropped: { "no-sink": 1 } });
    expectBalanced(runner);
  });
});

describe("backpressure", () => {
  test("a reader that takes nothing: the source waits, then all arrives", async () => {
    const world = worldWithLogs(1);
    world.stdio.stdout.isBlocked = true;
    append(world, LOG, numbered(200_000));
    const buffer = { maxEvents: 1000, maxBytes: 1_000_000 };
    const policy = policyOf({ sinks: { out: { ...STDOUT, buffer } } });
    const runner = startPipeline(world, policy);
    await world.clock.advance(10_000);
    const { received, buffered } = runner.ledger().sources["app"]!;
    expect(buffered).toBe(received);
    // The bound, and one chunk of 256 KiB.
    expect(received).toBeLessThan(60_000);
    expectBalanced(runner);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(60_000);
    expect(messages(world).length).toBe(200_000);
    expectBalanced(runner);
  });

  test("bytes that are read and not acknowledged are bounded", async () => {
    const world = worldWithLogs(1);
    world.stdio.stdout.isBlocked = true;
    append(world, LOG, `${"x".repeat(1023)}\n`.repeat(5000));
    const runner = startPipeline(world, policyOf(), { maxInFlightBytes: 1_000_000 });
    await world.clock.advance(5000);
    expect(runner.ledger().sources["app"]!.received).toBeLessThan(1300);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(20_000);
    expect(messages(world).length).toBe(5000);
  });
});

describe("errors of a step", () => {
  for (const [onError, expected] of [
    ["keep", { delivered: 2, dropped: {}, deadLettered: 0 }],
    ["drop", { delivered: 1, dropped: { "no-match": 1 }, deadLettered: 0 }],
    ["deadLetter", { delivered: 1, dropped: {}, deadLettered: 1 }],
  ] as const) {
    test(`onError: ${onError}`, async () => {
      const world = worldWithLogs(1);
      append(world, LOG, "good 1\nodd\n");
      const step = { component: "parse", config: { regex: "^good (?<n>\\d)$" }, onError };
      const runner = startPipeline(world, policyOf({ steps: [step] }));
      await world.clock.advance(3000);
      const line = runner.ledger().sources["app"]!;
      expect(line).toMatchObject({ received: 2, buffered: 0, ...expected });
      expect(runner.metrics()).toContain('counter="failed_no-match"} 1');
      expectBalanced(runner);
      await stopPipeline(world, runner);
      const next = startPipeline(world, policyOf({ steps: [step] }));
      await world.clock.advance(3000);
      expect(next.ledger().sources["app"]!.received).toBe(0);
    });
  }
});

describe("start and stop", () => {
  test("stop sends what waits for a full batch", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    const config = { ...SEARCH.config, batch: { maxAge: "10m" } };
    const policy = policyOf({ sinks: { search: { component: "elasticsearch", config } } });
    const runner = startPipeline(world, policy, { post: server.post });
    append(world, LOG, numbered(10));
    await world.clock.advance(3000);
    expect(server.documents.size).toBe(0);
    await stopPipeline(world, runner);
    expect(server.documents.size).toBe(10);
    expectBalanced(runner);
    const next = startPipeline(world, policy, { post: server.post });
    await world.clock.advance(3000);
    expect(next.ledger().sources["app"]!.received).toBe(0);
  });

  test("stop waits so long and no longer; what was not taken comes again", async () => {
    const world = worldWithLogs(1);
    const said: string[] = [];
    const options = { report: (line: string) => said.push(line), drainMs: 2000 };
    world.stdio.stdout.isBlocked = true;
    const runner = startPipeline(world, policyOf(), options);
    append(world, LOG, numbered(3));
    await world.clock.advance(3000);
    const before = world.clock.now();
    await stopPipeline(world, runner);
    expect(world.clock.now() - before).toBe(2000);
    expect(said.at(-1)).toContain("stopped with 3 events");
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(1);
    world.stdio.stdout.clear();
    startPipeline(world, policyOf());
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["0", "1", "2"]);
  });

  test("a pipeline that cannot be is refused with all its problems", () => {
    const world = worldWithLogs(1);
    const policy = policyOf({
      sources: { app: { component: "file", config: { inclde: ["x"] } } },
      steps: [{ component: "pars", config: {} }, { component: "parse", config: { regex: "(" } }],
      sinks: { out: { ...STDOUT, from: ["ap"] } },
    });
    const make = (): PipelineRunner =>
      new PipelineRunner(world, "bad", policy, { sources: {}, sinks: {} }, "/state");
    let failure: unknown;
    try {
      make();
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(Failure);
    const { kind, message } = failure as Failure;
    expect(kind).toBe("refused");
    for (const part of ["inclde", '"pars" is no step', "regular expression", '"ap" is no source']) {
      expect(message).toContain(part);
    }
    expect(world.files.stat("/state")).toBeNull();
  });

  test("bindings fill what the policy leaves open", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    const policy = policyOf({ sources: { app: { component: "file", config: {} } } });
    const binding = { sources: { app: { include: [LOG] } }, sinks: {} };
    const runner = new PipelineRunner(world, "bound", policy, binding, "/state");
    runner.start();
    await world.clock.advance(1000);
    expect(messages(world)).toEqual(["one"]);
  });

  test("metrics are valid, and say what the ledger says", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, numbered(7));
    const runner = startPipeline(world, policyOf());
    await world.clock.advance(3000);
    const { families, problems } = parsePrometheusText(runner.metrics());
    expect(problems).toEqual([]);
    expect(families.map(({ name }) => name)).toContain("outrigger_pipeline_events_received_total");
    expect(runner.metrics()).toContain(
      'outrigger_pipeline_events_delivered_total{pipeline="test",source="app"} 7',
    );
  });
});

test("one slow sink, with a buffer on disk, stops no other and loses nothing", async () => {
  const world = worldWithLogs(1);
  const server = new FakeElasticsearch(world);
  server.whole = () => "none";
  const buffer = { maxEvents: 100, maxBytes: 100_000, disk: 1024 * 1024 };
  const config = { url: "http://search:9200", index: "logs" };
  const slow = { component: "elasticsearch", config, buffer } as const;
  const policy = policyOf({ sinks: { slow, out: STDOUT } });
  const runner = startPipeline(world, policy, { post: server.post });
  const lines = Array.from({ length: 5000 }, (_, n) => `line ${n}`);
  append(world, "/logs/app.log", lines.map((line) => `${line}\n`).join(""));
  await world.clock.advance(5000);
  expect(messages(world)).toEqual(lines);
  expect(server.documents.size).toBe(0);
  expect(runner.ledger().sinks["slow"]).toMatchObject({ buffered: 5000, dropped: 0 });
  expectBalanced(runner);
  server.whole = () => null;
  await world.clock.advance(120_000);
  expect(server.messages.sort()).toEqual([...lines].sort());
  expectBalanced(runner);
});
