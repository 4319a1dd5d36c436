import { describe, expect, test } from "bun:test";
import type { SinkPolicy } from "../../api/snapshot.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { FakeElasticsearch } from "../testdata/fake_elasticsearch.ts";
import {
  STDOUT,
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

const FOLDER = "/state/pipelines/test/buffers/out";
const MEMORY = { maxEvents: 100, maxBytes: 64 * 1024 };
const MIB = 1024 * 1024;
const PARSE = { component: "parse", config: { regex: "^(?<message>line (?<n>\\d+).*)$" } };

function buffered(buffer: Partial<SinkPolicy["buffer"]> = {}): SinkPolicy {
  return { ...STDOUT, buffer: { ...MEMORY, disk: 16 * MIB, ...buffer } };
}

/** The reader is back; what the dead process had handed over is not looked at. */
async function forgetOutput(world: SimulatedWorld): Promise<void> {
  world.stdio.stdout.isBlocked = false;
  await world.clock.advance(1);
  world.stdio.stdout.clear();
}

function expectLines(world: SimulatedWorld, expected: readonly string[]): void {
  const found = messages(world);
  const at = expected.findIndex((line, i) => line !== found[i]);
  const first = { at, line: found[at] };
  expect({ count: found.length, first }).toEqual({
    count: expected.length,
    first: { at: -1, line: undefined },
  });
}

function segments(world: SimulatedWorld): string[] {
  return world.files.list(FOLDER).filter((name) => name.endsWith(".seg"));
}

describe("the source is told what is safe on disk", () => {
  for (const [what, steps] of [
    ["lines that nobody read", []],
    ["events with fields", [PARSE]],
  ] as const) {
    test(`${what}: acknowledged at once, delivered later, in order, also by the next process`, async () => {
      const world = worldWithLogs(1);
      const policy = policyOf({ steps, sinks: { out: buffered() } });
      world.stdio.stdout.isBlocked = true;
      write(world, 5000);
      const life = mortal(world);
      const runner = startPipeline(life.world, policy);
      await world.clock.advance(5000);
      expect(runner.ledger().sources["app"]).toMatchObject({ received: 5000, buffered: 5000 });
      expectBalanced(runner);
      life.kill();
      // The file is gone: what is not in the buffer is lost.
      world.files.remove(LOG);
      await forgetOutput(world);
      const next = startPipeline(world, policy);
      expect(next.ledger().sources["app"]).toMatchObject({ recovered: 5000, buffered: 5000 });
      expectBalanced(next);
      await world.clock.advance(5000);
      expectLines(world, lines(5000));
      expect(next.ledger().sources["app"]).toMatchObject({ delivered: 5000, buffered: 0 });
      expectBalanced(next);
      // Nothing of it is left.
      await world.clock.advance(3000);
      expect(segments(world)).toEqual([]);
    });
  }

  test("the last event is not stuck: one line, then silence", async () => {
    const world = worldWithLogs(1);
    startPipeline(world, policyOf({ sinks: { out: buffered() } }));
    for (let i = 0; i < 5; i++) {
      write(world, 1, i);
      await world.clock.advance(10_000);
      expect(messages(world).length).toBe(i + 1);
    }
  });

  test("what the sink has taken by the end of the turn is acknowledged and never written", async () => {
    for (const steps of [[], [PARSE]]) {
      const world = worldWithLogs(1);
      write(world, 5000);
      const written: string[] = [];
      world.files.fault = (doing, path) => {
        if (doing === "write" && path.startsWith(FOLDER)) written.push(path);
        return null;
      };
      const out = buffered({ maxEvents: 20_000, maxBytes: MIB });
      const runner = startPipeline(world, policyOf({ steps, sinks: { out } }));
      await world.clock.advance(1000);
      expectLines(world, lines(5000));
      expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 5000, buffered: 0 });
      expect(written.filter((path) => path.endsWith(".seg"))).toEqual([]);
      // The same fault counts what is written where the sink is slower.
      world.stdio.stdout.isBlocked = true;
      write(world, 10, 5000);
      await world.clock.advance(1000);
      expect(written.filter((path) => path.endsWith(".seg")).length).toBeGreaterThan(0);
      world.stdio.stdout.isBlocked = false;
      await stopPipeline(world, runner);
    }
  });

  test("with fsync: each, an event is acknowledged after its sync, and not before", async () => {
    const world = worldWithLogs(1);
    world.stdio.stdout.isBlocked = true;
    world.files.fault = (doing, path) => (doing === "save" && path.endsWith(".seg") ? "EIO" : null);
    const policy = policyOf({ sinks: { out: buffered({ fsync: "each" }) } });
    write(world, 10);
    const life = mortal(world);
    startPipeline(life.world, policy);
    await world.clock.advance(5000);
    life.kill();
    world.files.fault = null;
    const offset = (): number => {
      const text = world.files.readText("/state/pipelines/test/app.checkpoint.json");
      return (JSON.parse(text) as { files: { offset: number }[] }).files[0]!.offset;
    };
    expect(offset()).toBe(0);
    startPipeline(world, policy);
    await world.clock.advance(5000);
    expect(offset()).toBe(world.files.stat(LOG)!.sizeBytes);
  });
});

describe("bounds", () => {
  test("block: the source waits at the bound; then everything comes, in order", async () => {
    const world = worldWithLogs(1);
    world.stdio.stdout.isBlocked = true;
    write(world, 30_000);
    const runner = startPipeline(world, policyOf({ sinks: { out: buffered({ disk: MIB }) } }));
    await world.clock.advance(5000);
    const { received } = runner.ledger().sources["app"]!;
    expect(received).toBeGreaterThan(5000);
    expect(received).toBeLessThan(15_000);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(60_000);
    expectLines(world, lines(30_000));
    expectBalanced(runner);
  });

  test("drop: the other sink gets everything, and what was dropped is counted", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    server.whole = () => "none";
    const search: SinkPolicy = {
      component: "elasticsearch",
      config: { url: "http://search:9200", index: "logs" },
      buffer: { ...MEMORY, disk: MIB, whenFull: "drop" },
    };
    write(world, 30_000);
    const policy = policyOf({ sinks: { out: STDOUT, search } });
    const runner = startPipeline(world, policy, { post: server.post });
    await world.clock.advance(5000);
    expect(messages(world).length).toBe(30_000);
    server.whole = () => null;
    await world.clock.advance(120_000);
    const { delivered, dropped, buffered } = runner.ledger().sources["app"]!;
    expect(buffered).toBe(0);
    expect(delivered).toBe(server.documents.size);
    expect(dropped).toEqual({ "buffer-full:search": 30_000 - delivered });
    expectBalanced(runner);
  });
});

describe("a disk that is full", () => {
  test("the sink works: everything is delivered from memory, and acknowledged", async () => {
    const world = worldWithLogs(1);
    world.files.fault = (doing, path) => (doing === "write" && path.endsWith(".seg") ? "ENOSPC" : null);
    write(world, 3000);
    const said: string[] = [];
    const report = (line: string): number => said.push(line);
    const runner = startPipeline(world, policyOf({ sinks: { out: buffered() } }), { report });
    await world.clock.advance(30_000);
    expectLines(world, lines(3000));
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 3000, buffered: 0 });
    expectBalanced(runner);
    expect(said.filter((line) => line.includes("takes nothing")).length).toBe(1);
    expect(said[0]).toContain("the disk is full");
  });

  test("the sink does not work either: the source waits; nothing is lost", async () => {
    const world = worldWithLogs(1);
    world.stdio.stdout.isBlocked = true;
    write(world, 30_000);
    world.files.fault = (doing, path) => (doing === "write" && path.endsWith(".seg") ? "ENOSPC" : null);
    const life = mortal(world);
    const policy = policyOf({ sinks: { out: buffered() } });
    const runner = startPipeline(life.world, policy);
    await world.clock.advance(10_000);
    expect(runner.ledger().sources["app"]!.received).toBeLessThan(10_000);
    expectBalanced(runner);
    life.kill();
    world.files.fault = null;
    await forgetOutput(world);
    startPipeline(world, policy);
    await world.clock.advance(30_000);
    expectLines(world, lines(30_000));
  });
});

describe("what a crash leaves", () => {
  async function crashed(count: number) {
    const world = worldWithLogs(1);
    const policy = policyOf({ sinks: { out: buffered({ fsync: "never" }) } });
    world.stdio.stdout.isBlocked = true;
    const life = mortal(world);
    startPipeline(life.world, policy);
    // In several writes, so in several frames.
    for (let at = 0; at < count; at += 10) {
      write(world, 10, at);
      await world.clock.advance(1100);
    }
    life.kill();
    world.files.remove(LOG);
    await forgetOutput(world);
    const said: string[] = [];
    const restart = async () => {
      const report = (line: string): number => said.push(line);
      const runner = startPipeline(world, policy, { report });
      await world.clock.advance(5000);
      expectBalanced(runner);
      return runner;
    };
    return { world, said, restart };
  }

  test("a tail that was written in part is cut off; all before it is delivered", async () => {
    const { world, said, restart } = await crashed(50);
    const path = `${FOLDER}/${segments(world)[0]}`;
    const bytes = world.files.readBytes(path);
    world.files.write(path, bytes.subarray(0, bytes.length - 7));
    const runner = await restart();
    expect(messages(world)).toEqual(lines(40));
    expect(said.join()).toContain("written in part");
    expect(runner.metrics()).toContain('counter="truncated_tails"} 1');
  });

  test("a frame that is damaged does not hide those behind it", async () => {
    const { world, said, restart } = await crashed(50);
    const path = `${FOLDER}/${segments(world)[0]}`;
    const bytes = Buffer.from(world.files.readBytes(path));
    bytes[bytes.indexOf("line 15 ") + 3]! ^= 1;
    world.files.write(path, bytes);
    const runner = await restart();
    expect(messages(world)).toEqual([...lines(10), ...lines(30, 20)]);
    expect(said.join()).toContain("are passed over");
    expect(runner.metrics()).toContain('counter="damaged_frames"} 1');
  });

  test("an orphan segment is found, said and delivered", async () => {
    const { world, said, restart } = await crashed(20);
    world.files.write(`${FOLDER}/position.json`, '{"version":1,"done":{"9":0}}');
    const runner = await restart();
    expect(messages(world)).toEqual(lines(20));
    expect(said.join()).toContain("orphan segment");
    expect(runner.metrics()).toContain('counter="orphans"} 1');
  });

  test("the buffer of a sink that the file no longer has is said, and delivered later", async () => {
    const { world, said, restart } = await crashed(20);
    const other = policyOf({ sinks: { elsewhere: STDOUT } });
    const report = (line: string): number => said.push(line);
    const runner = startPipeline(world, other, { report });
    expect(said.join()).toContain("holds events of the sink out");
    expect(runner.metrics()).toContain('counter="orphan_buffers"} 1');
    await stopPipeline(world, runner);
    await restart();
    expect(messages(world)).toEqual(lines(20));
  });

  test("files that go while it runs: counted as dropped, and the books are right", async () => {
    const world = worldWithLogs(1);
    world.stdio.stdout.isBlocked = true;
    write(world, 5000);
    const runner = startPipeline(world, policyOf({ sinks: { out: buffered() } }));
    await world.clock.advance(5000);
    for (const name of segments(world)) world.files.remove(`${FOLDER}/${name}`);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(5000);
    const { delivered, dropped, buffered: left } = runner.ledger().sources["app"]!;
    expect(left).toBe(0);
    expect(delivered + dropped["buffer-damaged"]!).toBe(5000);
    expectBalanced(runner);
  });
});

test("S2-17 killed at any moment, with full disks and a failing sink: no line is missing", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = worldWithLogs(seed);
    const { random } = world;
    const config = { url: "http://search:9200", index: "logs", batch: { maxAge: "300ms" } };
    const search: SinkPolicy = {
      component: "elasticsearch",
      config,
      buffer: { ...MEMORY, disk: MIB, fsync: (["each", "interval", "never"] as const)[seed % 3] },
    };
    const two: Record<string, SinkPolicy> = seed % 2 === 0 ? { out: buffered() } : {};
    const policy = policyOf({ steps: seed % 4 < 2 ? [PARSE] : [], sinks: { search, ...two } });
    const lives = new Lives(world, policy);
    lives.fail();
    let written = 0;
    for (let step = 0; step < 25; step++) {
      const count = Math.floor(random.next() * 120);
      write(world, count, written);
      written += count;
      const isFull = random.next() < 0.3;
      world.files.fault = (doing, path) =>
        isFull && doing === "write" && path.includes("/buffers/") ? "ENOSPC" : null;
      await world.clock.advance(random.next() * 1500);
      expectBalanced(lives.runner);
      if (random.next() > 0.2) continue;
      world.files.fault = null;
      lives.next();
    }
    world.files.fault = null;
    await lives.recover();
    const { runner, server } = lives;
    expect({ seed, buffered: runner.ledger().sources["app"]!.buffered }).toEqual({ seed, buffered: 0 });
    const found = new Set(server.messages);
    const missing = lines(written).filter((line) => !found.has(line));
    const twice = server.messages.length - found.size;
    expect({ seed, missing, twice }).toEqual({ seed, missing: [], twice: 0 });
    await stopPipeline(world, runner);
  }
}, 30_000);
