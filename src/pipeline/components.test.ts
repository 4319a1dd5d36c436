import { describe, expect, test } from "bun:test";
import type { ComponentPolicy } from "../api/snapshot.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import type { SimulatedWorld } from "../base/simulated/mod.ts";
import { Event } from "../api/event.ts";
import type { Fields } from "../api/event.ts";
import { toJsonSchema } from "../schema/field.ts";
import type { HttpAnswer, HttpPost, Sent, SinkDefinition, SinkExample } from "./component.ts";
import { pipelineComponents } from "./components.ts";
import { EventBatch, addLines } from "./event_batch.ts";
import { PipelineRunner } from "./runner.ts";
import { SinkQueue } from "./sink_queue.ts";
import { sinks } from "./sinks/mod.ts";
import { sources } from "./sources/mod.ts";
import { transforms } from "./transforms/mod.ts";
import { messages, putFiles } from "./testdata/harness.ts";

const NO_BINDING = { sources: {}, sinks: {} };
const STDOUT: ComponentPolicy = { component: "stdout", config: {} };

function run(world: SimulatedWorld, source: ComponentPolicy, steps: ComponentPolicy[]): void {
  const policy = { sources: { in: source }, steps, sinks: { out: STDOUT } };
  const runner = new PipelineRunner(world, "example", policy, NO_BINDING, "/state");
  runner.start();
}

describe("every component", () => {
  const all = [...sources, ...transforms, ...sinks];

  test("has a name of its own, says what it does, and shows it", () => {
    // A source and a sink may have the same one: they are never written in one place.
    for (const kind of [sources, transforms, sinks]) {
      expect(new Set(kind.map(({ name }) => name)).size).toBe(kind.length);
    }
    for (const { name, summary, security, examples, config } of all) {
      expect(summary).toMatch(/^[A-Z].*\.$/);
      expect({ name, security: security.length > 20, examples: examples.length > 0 }).toEqual({
        name,
        security: true,
        examples: true,
      });
      const schema = toJsonSchema(config);
      const shape = schema["anyOf"] === undefined ? schema["type"] : "anyOf";
      expect(["object", "array", "string", "anyOf"]).toContain(shape as string);
    }
    expect(Object.keys(pipelineComponents.sources)).toEqual(sources.map(({ name }) => name));
  });
});

describe("examples of sources", () => {
  for (const { name, examples } of sources) {
    for (const example of examples) {
      test(`${name}: ${example.title}`, async () => {
        const world = createSimulatedWorld({ seed: 1 });
        for (const [path, text] of Object.entries(example.files ?? {})) {
          world.files.makeFolder(path.slice(0, path.lastIndexOf("/")));
          world.files.write(path, text);
        }
        const config = example.config as ComponentPolicy["config"];
        run(world, { component: name, config }, []);
        if (example.stdin !== undefined) {
          world.stdio.stdin.feed(example.stdin);
          world.stdio.stdin.end();
        }
        await world.clock.advance(10);
        for (const one of example.sent ?? []) send(world, one);
        await world.clock.advance(1990);
        if (example.messages !== undefined) {
          expect(messages(world).sort()).toEqual([...example.messages].sort());
        }
        const events = world.stdio.text().split("\n").filter((line) => line !== "");
        if (example.events !== undefined) {
          expect(events.map((line) => JSON.parse(line) as Fields)).toEqual([...example.events]);
        }
        expect(example.messages ?? example.events).toBeDefined();
      });
    }
  }
});

function send(world: SimulatedWorld, { by, port, data }: Sent): void {
  const to = { host: "127.0.0.1", port };
  const bytes = Buffer.from(data);
  if (by === "udp") {
    const from = { host: "127.0.0.1", port: 0 };
    void world.net.udp({ address: from }, { onMessage: () => {} }).then((udp) => udp.send(bytes, to));
    return;
  }
  let close = (): void => {};
  world.net.connect(to, {
    onOpen: (socket) => {
      close = () => socket.close();
      expect(socket.write(bytes, 0, bytes.length)).toBe(bytes.length);
      socket.shutdown();
    },
    onData: () => {},
    onDrain: () => {},
    onEnd: () => close(),
    onClose: () => {},
    onConnectError: (error) => {
      throw error;
    },
  });
}

describe("examples of transforms", () => {
  for (const { name, examples } of transforms) {
    for (const example of examples) {
      test(`${name}: ${example.title}`, async () => {
        const world = createSimulatedWorld({ seed: 1 });
        putFiles(world, example.files ?? {});
        const config = example.config as ComponentPolicy["config"];
        run(world, { component: "stdin", config: {} }, [{ component: name, config }]);
        world.stdio.stdin.feed(`${example.lines.join("\n")}\n`);
        await world.clock.advance(2000);
        const found = world.stdio.text().trim().split("\n");
        expect(found.map((line) => JSON.parse(line) as Fields)).toEqual([...example.events]);
      });
    }
  }
});

describe("examples of sinks", () => {
  for (const definition of sinks) {
    for (const example of definition.examples) {
      test(`${definition.name}: ${example.title}`, async () => {
        const world = createSimulatedWorld({ seed: 1 });
        const received = receive(world, example.sent ?? []);
        const { text, requests, metrics } = await sendLines(world, definition, example);
        expect(metrics).toBe(example.metrics);
        expect(received).toEqual((example.sent ?? []).map(({ data }) => data));
        if (example.stdout !== undefined) expect(text).toBe(example.stdout);
        for (const [path, written] of Object.entries(example.files ?? {})) {
          expect(world.files.readText(path)).toBe(written);
        }
        if (example.requests !== undefined) expect(requests).toEqual([...example.requests]);
      });
    }
  }
});

/** What comes to ports of 127.0.0.1. */
function receive(world: SimulatedWorld, sent: readonly Sent[]): string[] {
  const received = sent.map(() => "");
  for (const [i, { by, port }] of sent.entries()) {
    const address = { host: "127.0.0.1", port };
    const take = (bytes: Uint8Array): void => void (received[i] += Buffer.from(bytes).toString());
    const nothing = (): void => {};
    if (by === "udp") void world.net.udp({ address }, { onMessage: take });
    else {
      const handler = { onOpen: nothing, onData: take, onDrain: nothing, onEnd: nothing };
      world.net.listen({ address }, () => ({ ...handler, onClose: nothing }));
    }
  }
  return received;
}

/** Lines of a stream called `example`, straight into the sink. */
async function sendLines(
  world: SimulatedWorld,
  definition: SinkDefinition<unknown>,
  { config, lines }: SinkExample,
): Promise<SinkResult> {
  const requests: { url: string; body: string }[] = [];
  const post: HttpPost = (url, _headers, body) => {
    requests.push({ url, body: Buffer.from(body).toString() });
    return new Promise<HttpAnswer>(() => {});
  };
  const nothing = (): void => {};
  const owner = {
    delivered: nothing,
    deliveredBatch: nothing,
    refused: nothing,
    roomAgain: nothing,
  };
  const queue = new SinkQueue(world.clock, { maxEvents: 100, maxBytes: 10_000 }, owner);
  const { parse } = await import("../schema/field.ts");
  const { nodeOf } = await import("../schema/node.ts");
  const read = parse(definition.config, nodeOf(config));
  expect(read.problems).toEqual([]);
  const context = {
    world,
    pipeline: "example",
    name: "out",
    folder: "/files",
    queue,
    report: nothing,
    count: nothing,
    post,
  };
  const sink = definition.create(read.value, context);
  const chunk = Buffer.from(`${lines.join("\n")}\n`);
  const batch = new EventBatch("in", "example", "", chunk, 0, world.clock.wallMs(), () => {});
  const bounds = { maxLineBytes: 1000, longLines: "split" } as const;
  addLines(batch, 0, chunk.length, bounds, { empty: 0, long: 0 });
  expect(batch.events.every((event) => event instanceof Event)).toBe(true);
  queue.push(batch.events);
  sink.wake();
  sink.drain();
  await world.clock.advance(100);
  sink.close();
  return { text: world.stdio.text(), requests, metrics: sink.metrics?.() };
}

interface SinkResult {
  readonly text: string;
  readonly requests: { url: string; body: string }[];
  readonly metrics: string | undefined;
}
