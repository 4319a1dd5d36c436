/** What every sink has to hold, whatever it writes to. */
import { describe, expect, test } from "bun:test";
import type { ComponentPolicy } from "../../api/snapshot.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { parsePrometheusText } from "../../codec/prometheus_text.ts";
import type { HttpPost } from "../component.ts";
import type { PipelineRunner } from "../runner.ts";
import { FakeElasticsearch } from "../testdata/fake_elasticsearch.ts";
import {
  append,
  expectBalanced,
  messages,
  policyOf,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";
import { sinks } from "./mod.ts";

const LOG = "/logs/app.log";
const EVENTS = 500;

/** Where a sink's events go, and how it can be out of order. */
interface Outside {
  readonly config: Readonly<Record<string, unknown>>;
  readonly post?: HttpPost;
  /** Null where there is nothing that could fail. */
  readonly down: ((isDown: boolean) => void) | null;
  /** The messages that arrived; null where that cannot be told. */
  arrived(runner: PipelineRunner): readonly string[] | null;
}

const OUTSIDES: Readonly<Record<string, (world: SimulatedWorld) => Outside>> = {
  stdout: (world) => ({
    config: {},
    down: (isDown) => (world.stdio.stdout.isClosed = isDown),
    arrived: () => messages(world),
  }),
  file: (world) => ({
    config: { path: "/out/app.jsonl", rotate: { maxBytes: "4KiB", keep: 1000 } },
    down: (isDown) => {
      world.files.fault = (_, path) => (isDown && path.startsWith("/out") ? "EIO" : null);
    },
    arrived: () =>
      world.files.list("/out").flatMap((name) =>
        linesOf(world.files.readText(`/out/${name}`)).map(messageOf),
      ),
  }),
  elasticsearch: (world) => {
    const server = new FakeElasticsearch(world);
    return {
      config: { url: "http://search:9200", index: "logs" },
      post: server.post,
      down: (isDown) => (server.whole = () => (isDown ? 503 : null)),
      arrived: () => server.messages,
    };
  },
  http: (world) => {
    let isDown = false;
    const got: string[] = [];
    return {
      config: { url: "http://hook:9000/in", body: "lines" },
      post: async (_url, _headers, body) => {
        await world.clock.sleep(5);
        if (isDown) throw new Error("the connection was refused");
        got.push(...linesOf(Buffer.from(body).toString()).map(messageOf));
        return { status: 200, headers: {}, body: "" };
      },
      down: (now) => (isDown = now),
      arrived: () => got,
    };
  },
  syslog: (world) => {
    const address = { host: "127.0.0.1", port: 514 };
    const got: string[] = [];
    const listen = () =>
      world.net.listen({ address }, (socket) => {
        const nth = got.push("") - 1;
        const onEnd = (): void => socket.close();
        const handler = { onOpen() {}, onDrain() {}, onClose() {} };
        const onData = (bytes: Uint8Array) => void (got[nth] += Buffer.from(bytes).toString());
        return { ...handler, onEnd, onData };
      });
    let listener: ReturnType<typeof listen> | null = listen();
    return {
      config: { address: "tcp://127.0.0.1:514", framing: "newline" },
      down: (isDown) => {
        if (!isDown) listener ??= listen();
        else {
          listener?.stop();
          listener = null;
        }
      },
      arrived: () => got.flatMap((text) => linesOf(text).map((line) => line.split("- - - - - ")[1]!)),
    };
  },
  prometheus: () => ({
    config: { metrics: { seen: { kind: "counter", labels: { message: "event.message" } } } },
    down: null,
    arrived: (runner) =>
      parsePrometheusText(runner.sinkMetrics().join("")).families.flatMap(({ samples }) =>
        samples.map(({ labels }) => labels["message"]!),
      ),
  }),
  discard: () => ({ config: {}, down: null, arrived: () => null }),
};

const linesOf = (text: string): string[] => text.split("\n").slice(0, -1);
const messageOf = (line: string): string => (JSON.parse(line) as { message: string }).message;
const ALL = Array.from({ length: EVENTS }, (_, i) => `event ${i}`);

function start(world: SimulatedWorld, name: string, outside: Outside): PipelineRunner {
  const sink: ComponentPolicy = { component: name, config: outside.config as never };
  const options = outside.post === undefined ? {} : { post: outside.post };
  return startPipeline(world, policyOf({ sinks: { out: sink } }), options);
}

test("every sink is held to it", () => {
  expect(Object.keys(OUTSIDES).sort()).toEqual(sinks.map(({ name }) => name).sort());
});

for (const [name, outsideOf] of Object.entries(OUTSIDES)) {
  describe(name, () => {
    test("each event arrives, is settled once, and the books add up", async () => {
      const world = worldWithLogs(1);
      const outside = outsideOf(world);
      const runner = start(world, name, outside);
      for (let i = 0; i < EVENTS; i += 50) {
        append(world, LOG, ALL.slice(i, i + 50).map((line) => `${line}\n`).join(""));
        await world.clock.advance(700);
        expectBalanced(runner);
      }
      await world.clock.advance(5000);
      const arrived = outside.arrived(runner);
      if (arrived !== null) expect([...arrived].sort()).toEqual([...ALL].sort());
      expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: EVENTS, buffered: 0 });
      expect(runner.ledger().sources["app"]).toMatchObject({ delivered: EVENTS, buffered: 0 });
      await stopPipeline(world, runner);
      await world.clock.advance(1000);
      const { openSockets, pendingDials } = world.net;
      expect([openSockets, pendingDials, world.files.openFiles]).toEqual([0, 0, 0]);
    });

    test("what waits for a full batch leaves when it stops", async () => {
      const world = worldWithLogs(2);
      const outside = outsideOf(world);
      const runner = start(world, name, outside);
      await world.clock.advance(2000);
      append(world, LOG, "event 0\n");
      const isRead = (): boolean => runner.ledger().sources["app"]!.received === 1;
      expect(await world.clock.until(isRead, 10_000)).toBe(true);
      await stopPipeline(world, runner);
      expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 1, buffered: 0 });
      expect(outside.arrived(runner) ?? ["event 0"]).toEqual(["event 0"]);
    });

    if (outsideOf(worldWithLogs(0)).down === null) return;

    test("where its other side is down nothing is acknowledged, and all arrives later", async () => {
      const world = worldWithLogs(3);
      const outside = outsideOf(world);
      outside.down!(true);
      const runner = start(world, name, outside);
      append(world, LOG, ALL.map((line) => `${line}\n`).join(""));
      await world.clock.advance(20_000);
      expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 0, buffered: EVENTS });
      expectBalanced(runner);
      outside.down!(false);
      await world.clock.advance(120_000);
      expect([...new Set(outside.arrived(runner))].sort()).toEqual([...ALL].sort());
      expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: EVENTS, buffered: 0 });
      expectBalanced(runner);
    });

    test("stopped while that is so: the events come again after a start", async () => {
      const world = worldWithLogs(4);
      const outside = outsideOf(world);
      outside.down!(true);
      const first = start(world, name, outside);
      append(world, LOG, ALL.map((line) => `${line}\n`).join(""));
      await world.clock.advance(3000);
      await stopPipeline(world, first);
      expect(first.ledger().sources["app"]).toMatchObject({ delivered: 0 });
      const before = first.ledger();
      outside.down!(false);
      // Nothing of the stopped one is at work any more.
      await world.clock.advance(60_000);
      expect(first.ledger()).toEqual(before);
      const second = start(world, name, outside);
      await world.clock.advance(60_000);
      expect([...new Set(outside.arrived(second))].sort()).toEqual([...ALL].sort());
      expect(second.ledger().sources["app"]).toMatchObject({ delivered: EVENTS, buffered: 0 });
      expectBalanced(second);
    });
  });
}
