import { describe, expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { PipelineRunner } from "../runner.ts";
import {
  append,
  expectBalanced,
  mortal,
  policyOf,
  startPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";

const LOG = "/logs/app.log";

function start(
  config: Readonly<Record<string, unknown>>,
  world: SimulatedWorld = worldWithLogs(1),
): { world: SimulatedWorld; runner: PipelineRunner; said: string[] } {
  const said: string[] = [];
  const report = (line: string): number => said.push(line);
  const runner = startPipeline(world, policyOf({ sinks: { out: sinkOf(config) } }), { report });
  return { world, runner, said };
}

function sinkOf(config: Readonly<Record<string, unknown>>) {
  return { component: "file", config: { path: "/out/app.log", format: "text", ...config } as never };
}

/** By name, packed ones unpacked. */
function written(world: SimulatedWorld): Record<string, string> {
  const names = [...world.files.list("/out")];
  const plain = (name: string): string => name.replace(/\.gz$/, "");
  names.sort((one, other) => (plain(one) < plain(other) ? -1 : 1));
  return Object.fromEntries(
    names.map((name) => {
      const bytes = world.files.readBytes(`/out/${name}`);
      return [name, (name.endsWith(".gz") ? gunzipSync(bytes) : Buffer.from(bytes)).toString()];
    }),
  );
}

function numbered(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i} ${"x".repeat(90)}\n`).join("");
}

describe("rotation", () => {
  test("by size: no file is longer, no line is split, none is missing", async () => {
    const { world, runner } = start({ rotate: { maxBytes: "4KiB", keep: 100 } });
    append(world, LOG, numbered(0, 400));
    await world.clock.advance(3000);
    const found = Object.entries(written(world));
    expect(found.length).toBeGreaterThan(9);
    for (const [, text] of found) {
      expect(text.length).toBeLessThanOrEqual(4096);
      expect(text).toEndWith("x\n");
    }
    // Those with a time first, in their order, then the one that is written.
    const [current, ...old] = found;
    expect([...old, current!].map(([, text]) => text).join("")).toBe(numbered(0, 400));
    expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 400, buffered: 0 });
    expectBalanced(runner);
  });

  test("keep: the oldest are removed, what else lies in the folder is not", async () => {
    const world = worldWithLogs(1);
    world.files.makeFolder("/out");
    const others = ["app.log.1", "app.log.old", "other.log", "app.log.20261121"];
    for (const name of others) world.files.write(`/out/${name}`, "mine\n");
    start({ rotate: { maxBytes: "4KiB", keep: 2 } }, world);
    append(world, LOG, numbered(0, 400));
    await world.clock.advance(3000);
    const names = Object.keys(written(world));
    expect(names).toEqual(expect.arrayContaining(others));
    expect(names.filter((name) => !others.includes(name)).length).toBe(3);
    const kept = Object.entries(written(world)).filter(([name]) => !others.includes(name));
    const [current, ...old] = kept.map(([, text]) => text);
    expect(numbered(0, 400).endsWith([...old, current].join(""))).toBe(true);
  });

  test("by age: with each hour of the clock, also where a restart lies between", async () => {
    const world = worldWithLogs(1);
    const config = { rotate: { maxAge: "1h" } };
    const life = mortal(world);
    startPipeline(life.world, policyOf({ sinks: { out: sinkOf(config) } }));
    append(world, LOG, "zero\n");
    await world.clock.advance(5000);
    life.kill();
    await world.clock.advance(3_600_000);
    start(config, world);
    append(world, LOG, "one\n");
    await world.clock.advance(5000);
    append(world, LOG, "still one\n");
    await world.clock.advance(3_600_000);
    append(world, LOG, "two\n");
    await world.clock.advance(5000);
    expect(Object.values(written(world))).toEqual(["two\n", "zero\n", "one\nstill one\n"]);
  });

  test("a name by time: a file an hour, the old ones counted and removed by it", async () => {
    const { world } = start({ path: "/out/app-{{hour}}.log", rotate: { keep: 2 } });
    await world.clock.advance(1_800_000);
    for (let hour = 0; hour < 5; hour++) {
      append(world, LOG, `hour ${hour}\n`);
      await world.clock.advance(3_600_000);
    }
    expect(written(world)).toEqual({
      "app-2026-01-01T03.log": "hour 3\n",
      "app-2026-01-01T04.log": "hour 4\n",
    });
  });

  test("gzip: what is done is packed whole, before its plain file goes", async () => {
    const { world, runner } = start({ rotate: { maxBytes: "3MiB", compress: "gzip" } });
    append(world, LOG, numbered(0, 80_000));
    await world.clock.advance(10_000);
    const found = written(world);
    const [current, ...old] = Object.keys(found);
    expect(current).toBe("app.log");
    expect(old.length).toBe(2);
    for (const name of old) expect(name).toMatch(/^app\.log\.20260101T\d{6}Z(-\d{3})?\.gz$/);
    const all = [...old, "app.log"].map((name) => found[name]).join("");
    expect(all === numbered(0, 80_000)).toBe(true);
    expectBalanced(runner);
  });

  test("killed while it packs: the file is packed after the next start", async () => {
    const world = worldWithLogs(1);
    const config = { rotate: { maxBytes: "3MiB", compress: "gzip" } };
    const life = mortal(world);
    startPipeline(life.world, policyOf({ sinks: { out: sinkOf(config) } }));
    append(world, LOG, numbered(0, 40_000));
    const isPacking = (): boolean =>
      world.files.stat("/out") !== null &&
      world.files.list("/out").some((name) => name.endsWith(".part"));
    expect(await world.clock.until(isPacking, 10_000)).toBe(true);
    life.kill();
    start(config, world);
    append(world, LOG, "more\n");
    await world.clock.advance(10_000);
    const names = world.files.list("/out");
    expect(names.filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(names.filter((name) => !name.endsWith(".gz"))).toEqual(["app.log"]);
    // What was not acknowledged came twice; nothing is missing, in no pack.
    const lines = new Set(Object.values(written(world)).join("").split("\n"));
    const missing = numbered(0, 40_000).split("\n").filter((line) => !lines.has(line));
    expect(missing).toEqual([]);
  });
});

describe("what may go wrong", () => {
  test("a torn last line is cut off, and its event comes again: none lost, none half", async () => {
    const world = worldWithLogs(1);
    world.files.makeFolder("/out");
    world.files.write("/out/app.log", '{"message":"before"}\n{"message":"half of i');
    const { said, runner } = start({ format: "json" }, world);
    append(world, LOG, "after\n");
    await world.clock.advance(3000);
    expect(written(world)["app.log"]).toBe('{"message":"before"}\n{"message":"after"}\n');
    expect(said.join()).toContain("its last line was not whole; cut off, it comes again");
    expect(runner.metrics()).toContain('component="out",counter="torn_lines"} 1');
  });

  test("a last line that only lacks its end gets it; what is not ours is not cut", async () => {
    for (const before of ['{"message":"whole"}', "a line of another program"]) {
      const world = worldWithLogs(1);
      world.files.makeFolder("/out");
      world.files.write("/out/app.log", before);
      start({ format: "json" }, world);
      append(world, LOG, "after\n");
      await world.clock.advance(3000);
      expect(written(world)["app.log"]).toBe(`${before}\n{"message":"after"}\n`);
    }
  });

  test("a full disk: nothing half written stays, nothing is acknowledged, all comes later", async () => {
    const { world, runner, said } = start({ format: "json" });
    append(world, LOG, "one\n");
    await world.clock.advance(3000);
    world.files.freeBytes = 40;
    append(world, LOG, "two\nthree\nfour\n");
    await world.clock.advance(10_000);
    expect(written(world)["app.log"]).toBe('{"message":"one"}\n');
    expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 1, buffered: 3 });
    expect(said.filter((line) => line.includes("tried again every second")).length).toBe(1);
    world.files.freeBytes = Infinity;
    await world.clock.advance(3000);
    const all = ["one", "two", "three", "four"].map((message) => `${JSON.stringify({ message })}\n`);
    expect(written(world)["app.log"]).toBe(all.join(""));
    expectBalanced(runner);
    expect(said.join()).toContain("/out/app.log takes events again");
  });

  test("a file that another program moves or removes is begun anew", async () => {
    const { world } = start({});
    append(world, LOG, "one\n");
    await world.clock.advance(3000);
    world.files.rename("/out/app.log", "/out/taken");
    append(world, LOG, "two\n");
    await world.clock.advance(3000);
    world.files.remove("/out/app.log");
    append(world, LOG, "three\n");
    await world.clock.advance(3000);
    expect(written(world)).toEqual({ taken: "one\n", "app.log": "three\n" });
  });

  test("what is no regular file is not written to", async () => {
    const world = worldWithLogs(1);
    world.files.makeFolder("/out/app.log");
    const { runner, said } = start({}, world);
    append(world, LOG, "one\n");
    await world.clock.advance(3000);
    expect(said.join()).toContain("/out/app.log is there and no regular file");
    expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 0, buffered: 1 });
  });
});

test("modes: the file's own, and its folder's for those who may read it", async () => {
  for (const [mode, own, folder] of [
    ["0600", 0o600, 0o700],
    ["0640", 0o640, 0o750],
  ] as const) {
    const { world } = start({ mode });
    append(world, LOG, "one\n");
    await world.clock.advance(3000);
    expect(world.files.stat("/out/app.log")!.mode & 0o777).toBe(own);
    expect(world.files.stat("/out")!.mode & 0o777).toBe(folder);
  }
});

test("text: bytes that are no UTF-8 stay as they are, and an event is one line", async () => {
  const world = worldWithLogs(1);
  const log = world.files.open(LOG, "append");
  log.write(Buffer.from([0xff, 0xfe, 0x41, 0x0a]));
  log.write(Buffer.from('{"message":"two\\nlines"}\n'));
  log.close();
  const sinks = { out: sinkOf({}) };
  const steps = [{ component: "parse", config: { json: {} } }];
  const from = { when: 'matches(event.message, "lines")' };
  startPipeline(world, policyOf({ sinks, steps: [{ ...steps[0]!, from }] }));
  await world.clock.advance(3000);
  const bytes = Buffer.from(world.files.readBytes("/out/app.log"));
  expect(bytes).toEqual(Buffer.concat([Buffer.from([0xff, 0xfe, 0x41, 0x0a]), Buffer.from("two\\nlines\n")]));
});

test("a path with more than one place, or one in a folder's name, is refused", () => {
  for (const [path, problem] of [
    ["out/{{day}}/app.log", "file's name"],
    ["out/{{day}}-{{hour}}.log", "one place at most"],
    ["out/{{app}}.log", "a place is"],
    ["out/", "the path of a file"],
  ] as const) {
    expect(() => start({ path })).toThrow(problem);
  }
});
