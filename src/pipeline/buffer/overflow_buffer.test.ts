import { describe, expect, test } from "bun:test";
import type { PipelinePolicy, SinkPolicy } from "../../api/snapshot.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { PipelineOptions } from "../runner.ts";
import { FakeElasticsearch } from "../testdata/fake_elasticsearch.ts";
import {
  STDOUT,
  append,
  expectBalanced,
  messages,
  mortal,
  policyOf,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";
import { Lives } from "../testdata/lives.ts";
import { LOG, lines, write } from "../testdata/numbered_lines.ts";

const MIB = 1024 * 1024;
const BUFFERS = "/state/pipelines/test/buffers";
const PARSE = { component: "parse", config: { regex: "^(?<message>line (?<n>\\d+).*)$" } };

function search(index = "logs", more: Partial<SinkPolicy> = {}): SinkPolicy {
  const config = { url: "http://search:9200", index, batch: { maxAge: "300ms" } };
  return { component: "elasticsearch", config, ...more };
}

const BOTH = policyOf({ sinks: { search: search(), out: STDOUT } });

/** A server that takes nothing, a pipeline beside it, and so many lines. */
function stuck(count: number, policy: PipelinePolicy = BOTH, options: PipelineOptions = {}) {
  const world = worldWithLogs(1);
  const server = new FakeElasticsearch(world);
  server.whole = () => "none";
  write(world, count);
  const life = mortal(world);
  const post = life.post(server.post);
  const runner = startPipeline(life.world, policy, { post, ...options });
  return { world, server, life, runner };
}

function segments(world: SimulatedWorld, sink = "search"): string[] {
  const folder = `${BUFFERS}/${sink}`;
  if (world.files.stat(folder) === null) return [];
  return world.files.list(folder).filter((name) => name.endsWith(".seg"));
}

/** Each of these lines is in the index, and once. */
function expectIndexed(server: FakeElasticsearch, count: number): void {
  const found = new Set(server.messages);
  const missing = lines(count).filter((line) => !found.has(line));
  expect({ missing, twice: server.messages.length - found.size }).toEqual({ missing: [], twice: 0 });
}

describe("by default one slow sink never stops another", () => {
  for (const [what, steps] of [
    ["lines that nobody read", []],
    ["events with fields", [PARSE]],
  ] as const) {
    test(`${what}: the quick sink has all, the slow one gets all when it is back`, async () => {
      const { world, server, runner } = stuck(25_000, { ...BOTH, steps });
      await world.clock.advance(10_000);
      expect(messages(world)).toEqual(lines(25_000));
      expect(runner.ledger().sinks["search"]).toMatchObject({ buffered: 25_000, dropped: 0 });
      expect(runner.state().sinks["search"]!.diskBytes).toBeGreaterThan(2 * MIB);
      expect(runner.metrics()).toContain('counter="overflowed_events"} 25000');
      expectBalanced(runner);
      server.whole = () => null;
      await world.clock.advance(120_000);
      expectIndexed(server, 25_000);
      expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 25_000, buffered: 0 });
      expectBalanced(runner);
      await world.clock.advance(3000);
      expect(segments(world)).toEqual([]);
    });
  }

  test("kill -9 with a slow sink: the next process delivers the rest; the quick one gets none again", async () => {
    const { world, server, life, runner } = stuck(15_000);
    await world.clock.advance(10_000);
    expectBalanced(runner);
    life.kill();
    world.stdio.stdout.clear();
    server.whole = () => null;
    const next = startPipeline(world, BOTH, { post: server.post });
    expect(next.ledger().sources["app"]).toMatchObject({ recovered: 15_000, buffered: 15_000 });
    await world.clock.advance(60_000);
    expectIndexed(server, 15_000);
    expect(messages(world)).toEqual([]);
    expectBalanced(next);
  });

  test("a stop with a slow sink keeps what waits on disk", async () => {
    const { world, server, runner } = stuck(500);
    await world.clock.advance(1000);
    expect(segments(world)).toEqual([]);
    await stopPipeline(world, runner);
    expect(segments(world).length).toBe(1);
    world.stdio.stdout.clear();
    server.whole = () => null;
    const next = startPipeline(world, BOTH, { post: server.post });
    await world.clock.advance(10_000);
    expectIndexed(server, 500);
    expect(messages(world)).toEqual([]);
    expectBalanced(next);
  });

  test("sinks for different events: together they hold no source back by what it may have in flight", async () => {
    const from = (rest: number) => ({ from: { when: `number(event.n) % 4 == ${rest}` } });
    const sinks = {
      ...Object.fromEntries([0, 1, 2].map((n) => [`s${n}`, search(`s${n}`, from(n))])),
      out: { ...STDOUT, ...from(3) },
    };
    const steps = [{ component: "parse", config: { regex: "^(?<n>\\d+) " } }];
    const policy = policyOf({ steps, sinks });
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    server.whole = () => "none";
    const text = Array.from({ length: 8000 }, (_, n) => `${n} ${"x".repeat(1000)}\n`).join("");
    append(world, LOG, text);
    const options = { post: server.post, maxInFlightBytes: MIB };
    const runner = startPipeline(world, policy, options);
    await world.clock.advance(15_000);
    expect(world.stdio.text().split("\n").length - 1).toBe(2000);
    server.whole = () => null;
    await world.clock.advance(120_000);
    expect(server.documents.size).toBe(6000);
    expectBalanced(runner);
  });

  test("sinks that keep up: nothing is written", async () => {
    const { world, server, runner } = stuck(0);
    server.whole = () => null;
    for (let n = 0; n < 50; n++) {
      write(world, 200, n * 200);
      await world.clock.advance(1000);
    }
    expectIndexed(server, 10_000);
    expect(world.files.stat(BUFFERS)).toBe(null);
    expect(runner.metrics()).not.toContain("overflowed");
    expectBalanced(runner);
  });
});

describe("its bound, and other rules", () => {
  test("at the bound the sources wait: said once, nothing is lost", async () => {
    const said: string[] = [];
    const report = (line: string): number => said.push(line);
    const { world, server, runner } = stuck(25_000, BOTH, { maxOverflowBytes: MIB, report });
    await world.clock.advance(10_000);
    const { received } = runner.ledger().sources["app"]!;
    expect(received).toBeGreaterThan(8000);
    expect(received).toBeLessThan(20_000);
    expect(runner.state().sources["app"]!.isWaiting).toBe(true);
    expect(runner.state().sinks["search"]!.fill).toBe(1);
    expect(said.filter((line) => line.includes("its buffer is full")).length).toBe(1);
    server.whole = () => null;
    await world.clock.advance(120_000);
    expectIndexed(server, 25_000);
    expect(messages(world)).toEqual(lines(25_000));
    expectBalanced(runner);
  });

  test("whenFull: block without disk is a word: then the others wait", async () => {
    const buffer = { maxEvents: 1000, maxBytes: MIB, whenFull: "block" } as const;
    const sinks = { search: search("logs", { buffer }), out: STDOUT };
    const { world, server, runner } = stuck(25_000, policyOf({ sinks }));
    await world.clock.advance(10_000);
    expect(runner.ledger().sources["app"]!.received).toBeLessThan(5000);
    expect(world.files.stat(BUFFERS)).toBe(null);
    server.whole = () => null;
    await world.clock.advance(120_000);
    expectIndexed(server, 25_000);
  });

  test("one sink alone: its source waits, and nothing is written", async () => {
    const { world, runner } = stuck(25_000, policyOf({ sinks: { search: search() } }));
    await world.clock.advance(10_000);
    expect(runner.ledger().sources["app"]!.received).toBeLessThan(22_000);
    expect(world.files.stat(BUFFERS)).toBe(null);
  });

  test("what is on disk is delivered too when the sink is alone in the next version of the file", async () => {
    const { world, server, runner } = stuck(15_000);
    await world.clock.advance(5000);
    let done = false;
    const alone = policyOf({ sinks: { search: search() } });
    void runner.change(alone, { sources: {}, sinks: {} }).then(() => (done = true));
    expect(await world.clock.until(() => done, 25_000)).toBe(true);
    write(world, 10, 15_000);
    server.whole = () => null;
    await world.clock.advance(120_000);
    expectIndexed(server, 15_010);
    expectBalanced(runner);
  });

  test("a disk that is full: the sources wait as for memory, and nothing is lost", async () => {
    const buffer = { maxEvents: 1000, maxBytes: MIB };
    const sinks = { search: search("logs", { buffer }), out: STDOUT };
    const { world, server, runner } = stuck(0, policyOf({ sinks }), { maxInFlightBytes: MIB });
    world.files.fault = (doing, path) => (doing === "write" && path.endsWith(".seg") ? "ENOSPC" : null);
    write(world, 40_000);
    await world.clock.advance(10_000);
    expect(runner.ledger().sources["app"]!.received).toBeLessThan(35_000);
    expectBalanced(runner);
    server.whole = () => null;
    await world.clock.advance(600_000);
    expect(server.documents.size).toBe(40_000);
    expectBalanced(runner);
  });
});

test("killed and stopped at any moment, with sinks that come and go: every line, the books right", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = worldWithLogs(seed);
    const { random } = world;
    let isAway = false;
    const buffer = { maxEvents: 200, maxBytes: 64 * 1024 };
    const odd = { when: "number(event.n) % 2 == 1" };
    const second: Record<string, SinkPolicy> =
      seed % 3 === 0 ? {} : { second: search("second", { buffer, from: seed % 4 < 2 ? odd : undefined }) };
    const sinks = { search: search("logs", { buffer }), out: STDOUT, ...second };
    const policy = policyOf({ steps: seed % 4 < 2 ? [PARSE] : [], sinks });
    const options = { maxInFlightBytes: 128 * 1024, maxOverflowBytes: MIB };
    const lives = new Lives(world, policy, options);
    const { server } = lives;
    lives.fail(() => isAway);
    const { item } = server;
    server.item = (...one) => (random.next() < 0.001 ? 400 : item(...one));
    let written = 0;
    for (let step = 0; step < 20; step++) {
      const count = Math.floor(random.next() * 300);
      write(world, count, written);
      written += count;
      if (random.next() < 0.2) isAway = !isAway;
      const isFull = random.next() < 0.2;
      world.files.fault = (doing, path) =>
        isFull && doing === "write" && path.includes("/buffers/") ? "ENOSPC" : null;
      await world.clock.advance(random.next() * 1500);
      expectBalanced(lives.runner);
      const chance = random.next();
      if (chance > 0.15) continue;
      world.files.fault = null;
      if (chance > 0.1) await stopPipeline(world, lives.runner);
      lives.next();
    }
    world.files.fault = null;
    await lives.recover();
    const { runner } = lives;
    expect({ seed, ...runner.ledger().sources["app"] }).toMatchObject({ seed, buffered: 0 });
    const letters = world.files.stat(runner.deadLettersPath)?.sizeBytes ?? 0;
    const refused = letters === 0 ? "" : world.files.readText(runner.deadLettersPath);
    const seen = new Set(messages(world));
    const indexed = new Set(server.messages);
    const missing = lines(written).filter(
      (line) => !seen.has(line) || (!indexed.has(line) && !refused.includes(line)),
    );
    expect({ seed, missing }).toEqual({ seed, missing: [] });
    await stopPipeline(world, runner);
  }
}, 60_000);
