import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { PipelineRunner } from "../runner.ts";
import {
  FOLLOW,
  append,
  checkpointPath,
  expectBalanced,
  messages,
  mortal,
  policyOf,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";

const LOG = "/logs/app.log";

function follow(config: Readonly<Record<string, unknown>>) {
  const app = { component: "file", config: { ...FOLLOW.config, ...config } };
  return policyOf({ sources: { app } });
}

describe("a file that grows", () => {
  test("S2-17 a line is an event once its newline is there", async () => {
    const world = worldWithLogs(1);
    const runner = startPipeline(world, policyOf());
    append(world, LOG, "one\ntw");
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["one"]);
    append(world, LOG, "o\r\n\nthree\n");
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["one", "two", "three"]);
    expectBalanced(runner);
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
  });

  test("what was acknowledged is not read again after a stop", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\ntwo\n");
    const first = startPipeline(world, policyOf());
    await world.clock.advance(100);
    await stopPipeline(world, first);
    append(world, LOG, "three\n");
    const second = startPipeline(world, policyOf());
    await world.clock.advance(100);
    expect(messages(world)).toEqual(["one", "two", "three"]);
    expect(second.ledger().sources["app"]!.received).toBe(1);
    expect(world.files.stat(checkpointPath())!.mode & 0o777).toBe(0o600);
  });

  test("hints that are missed are made up for by the poll", async () => {
    const world = worldWithLogs(1);
    world.files.missedChanges = 1;
    startPipeline(world, policyOf());
    append(world, LOG, "one\n");
    await world.clock.advance(1500);
    append(world, LOG, "two\n");
    await world.clock.advance(1500);
    expect(messages(world)).toEqual(["one", "two"]);
  });

  test("a long line is split between characters, or cut", async () => {
    const line = "é".repeat(100);
    for (const [longLines, expected] of [
      ["split", [48, 32, 20]],
      ["cut", [48]],
    ] as const) {
      const world = worldWithLogs(1);
      const runner = startPipeline(world, follow({ maxLineBytes: "97B", longLines }));
      // In the first look the line has no end yet.
      append(world, LOG, line.slice(0, 60));
      await world.clock.advance(2000);
      append(world, LOG, `${line.slice(60)}\nnext\n`);
      await world.clock.advance(2000);
      const found = messages(world);
      expect(found.at(-1)).toBe("next");
      const rest = found.slice(0, -1);
      if (longLines === "split") expect(rest.join("")).toBe(line);
      else expect(rest).toEqual([line.slice(0, expected[0])]);
      for (const piece of rest) expect(piece).not.toContain("\ufffd");
      expect(runner.metrics()).toContain('counter="long_lines"');
      expectBalanced(runner);
    }
  });

  test("the rest of a cut line is passed over also after a restart", async () => {
    const world = worldWithLogs(1);
    const policy = follow({ maxLineBytes: "64B", longLines: "cut" });
    append(world, LOG, "x".repeat(100));
    const first = startPipeline(world, policy);
    await world.clock.advance(2000);
    await stopPipeline(world, first);
    append(world, LOG, `${"y".repeat(20)}\nnext\n`);
    startPipeline(world, policy);
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["x".repeat(64), "next"]);
  });

  test("a large file does not keep a small one waiting", async () => {
    const world = worldWithLogs(1);
    const policy = follow({ include: ["/logs/*.log"] });
    append(world, "/logs/a.log", `${"x".repeat(1023)}\n`.repeat(20 * 1024));
    append(world, "/logs/b.log", "small\n");
    const runner = startPipeline(world, policy);
    expect(await world.clock.until(() => world.stdio.text().includes("small"), 1000)).toBe(true);
    expect(runner.ledger().sources["app"]!.received).toBeLessThan(5 * 1024);
    await world.clock.advance(1000);
    expect(runner.ledger().sources["app"]!.received).toBe(20 * 1024 + 1);
  });
});

describe("rotation", () => {
  test("rename and create: the rest of the old file comes before the new one", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "1\n");
    const runner = startPipeline(world, policyOf());
    await world.clock.advance(2000);
    append(world, LOG, "2\n");
    world.files.rename(LOG, `${LOG}.1`);
    append(world, LOG, "4\n");
    // The app still has the old one open.
    append(world, `${LOG}.1`, "3\n");
    await world.clock.advance(3000);
    append(world, `${LOG}.1`, "late\n");
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["1", "2", "3", "4", "late"]);
    await world.clock.advance(30_000);
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
  });

  test("the last line of a rotated file counts without a newline", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "1\n2");
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    world.files.rename(LOG, `${LOG}.1`);
    append(world, LOG, "3\n");
    await world.clock.advance(20_000);
    expect(messages(world).sort()).toEqual(["1", "2", "3"]);
  });

  test("rotated twice between two looks", async () => {
    const world = worldWithLogs(1);
    world.files.missedChanges = 1;
    append(world, LOG, "1\n");
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    world.files.rename(LOG, `${LOG}.1`);
    append(world, LOG, "2\n");
    world.files.rename(`${LOG}.1`, `${LOG}.2`);
    world.files.rename(LOG, `${LOG}.1`);
    append(world, LOG, "3\n");
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["1", "2", "3"]);
  });

  test("rotated while nobody looked, and no new file came: its rest is read", async () => {
    for (const include of [LOG, "/logs/*.log", "/**/app.log"]) {
      const world = worldWithLogs(1);
      append(world, LOG, "1\n");
      const policy = follow({ include: [include] });
      const first = startPipeline(world, policy);
      await world.clock.advance(2000);
      await stopPipeline(world, first);
      append(world, LOG, "2\n");
      world.files.rename(LOG, `${LOG}.1`);
      startPipeline(world, policy);
      await world.clock.advance(2000);
      append(world, LOG, "3\n");
      await world.clock.advance(2000);
      expect(messages(world)).toEqual(["1", "2", "3"]);
    }
  });

  test("truncated: read from its beginning, also when it has grown past the old end", async () => {
    const world = worldWithLogs(1);
    const header = `${"#".repeat(2000)}\n`;
    append(world, LOG, `${header}one\ntwo\n`);
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    // The same first bytes, and longer than before.
    world.files.write(LOG, `${header}three\nfour\nfive\n`);
    await world.clock.advance(2000);
    const found = messages(world).filter((message) => !message.startsWith("#"));
    expect(found).toEqual(["one", "two", "three", "four", "five"]);
  });

  test("truncated with an unfinished line: what was there of it is not lost", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\nunfin");
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    world.files.write(LOG, "ished\n");
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["one", "unfin", "ished"]);
  });

  test("copytruncate: what only the copy still has is read from there", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    append(world, LOG, "two\nthree\n");
    world.files.write(`${LOG}.1`, world.files.readBytes(LOG));
    world.files.write(LOG, "");
    append(world, LOG, "four\n");
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["one", "two", "three", "four"]);
  });

  test("copytruncate after we read on: the copy is shorter, and nothing comes twice", async () => {
    for (const include of [LOG, "/logs/app.log*"]) {
      const world = worldWithLogs(1);
      startPipeline(world, follow({ include: [include] }));
      const lines = (from: number, to: number): string =>
        Array.from({ length: to - from }, (_, i) => `line ${from + i} of the app\n`).join("");
      for (let n = 0; n < 10; n++) {
        append(world, LOG, lines(n * 10, n * 10 + 10));
        await world.clock.advance(300);
      }
      const copy = world.files.readBytes(LOG);
      append(world, LOG, lines(100, 105));
      await world.clock.advance(50);
      world.files.write(`${LOG}.1`, copy);
      await world.clock.advance(30);
      world.files.write(LOG, "");
      append(world, LOG, lines(105, 110));
      await world.clock.advance(30_000);
      expect(messages(world)).toEqual(lines(0, 110).trim().split("\n"));
    }
  });

  test("copytruncate and compressed at once: the rest is read from the compressed copy", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    append(world, LOG, "two\nthree\n");
    world.files.write(`${LOG}.1.gz`, gzipSync(world.files.readBytes(LOG)));
    world.files.write(LOG, "");
    append(world, LOG, "four\n");
    await world.clock.advance(30_000);
    expect(messages(world)).toEqual(["one", "two", "three", "four"]);
  });

  test("copytruncate whose copy has the inode of a file that was read before", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    append(world, "/logs/other.log", "other story\n");
    const policy = follow({ include: ["/logs/*.log"] });
    const first = startPipeline(world, policy);
    await world.clock.advance(2000);
    await stopPipeline(world, first);
    world.files.remove("/logs/other.log");
    append(world, LOG, "two\n");
    world.files.write(`${LOG}.1`, world.files.readBytes(LOG));
    world.files.write(LOG, "");
    // As a real disk does, which gives a free inode to the next file.
    const inode = world.files.stat(`${LOG}.1`)!.inode;
    const kept = JSON.parse(world.files.readText(checkpointPath())) as {
      files: { path: string; inode: number }[];
    };
    for (const entry of kept.files) if (entry.path === "/logs/other.log") entry.inode = inode;
    world.files.write(checkpointPath(), JSON.stringify(kept));
    append(world, LOG, "three\n");
    startPipeline(world, policy);
    await world.clock.advance(30_000);
    expect(messages(world).sort()).toEqual(["one", "other story", "three", "two"]);
  });

  test("copytruncate of a log that was read in one go: a part of it proves the copy", async () => {
    const world = worldWithLogs(1);
    const lines = Array.from({ length: 100 }, (_, n) => `line ${n} of the app\n`);
    append(world, LOG, lines.join(""));
    startPipeline(world, follow({ include: ["/logs/app.log*"] }));
    await world.clock.advance(50);
    world.files.write(`${LOG}.1`, lines.slice(0, 80).join(""));
    world.files.write(LOG, "");
    append(world, LOG, "next\n");
    await world.clock.advance(30_000);
    expect(messages(world)).toEqual([...lines.map((line) => line.trim()), "next"]);
  });

  test("rotated and compressed while nobody looked: its rest is read, once", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    const first = startPipeline(world, policyOf());
    await world.clock.advance(2000);
    await stopPipeline(world, first);
    append(world, LOG, "two\n");
    world.files.write(`${LOG}-20261121.gz`, gzipSync(world.files.readBytes(LOG)));
    world.files.remove(LOG);
    append(world, LOG, "three\n");
    for (let start = 0; start < 2; start++) {
      const runner = startPipeline(world, policyOf());
      await world.clock.advance(30_000);
      await stopPipeline(world, runner);
    }
    expect(messages(world)).toEqual(["one", "two", "three"]);
  });

  test("a copy that a pattern meets while it is made is not read as a file of its own", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\ntwo\n");
    startPipeline(world, follow({ include: ["/logs/app.log*"], keepRotated: "2s" }));
    await world.clock.advance(2000);
    append(world, `${LOG}.1`, "on");
    await world.clock.advance(500);
    append(world, `${LOG}.1`, "e\ntwo\n");
    await world.clock.advance(30_000);
    append(world, LOG, "three\n");
    append(world, `${LOG}.2`, "one\nand another story\n");
    await world.clock.advance(30_000);
    expect(messages(world).sort()).toEqual(
      ["one", "two", "three", "one", "and another story"].sort(),
    );
  });

  test("a file deleted while open is read to its end", async () => {
    const world = worldWithLogs(1);
    const handle = world.files.open(LOG, "append");
    handle.write(Buffer.from("one\n"));
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    world.files.remove(LOG);
    handle.write(Buffer.from("two\n"));
    await world.clock.advance(2000);
    handle.close();
    append(world, LOG, "three\n");
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["one", "two", "three"]);
    await world.clock.advance(30_000);
    expect(world.files.openFiles).toBe(1);
  });
});

describe("which file is which", () => {
  test("two files with one fingerprint, the same first bytes, are two", async () => {
    const world = worldWithLogs(1);
    const header = `${"h".repeat(1500)}\n`;
    append(world, "/logs/a.log", `${header}a\n`);
    append(world, "/logs/b.log", `${header}b\n`);
    const policy = follow({ include: ["/logs/*.log"] });
    const first = startPipeline(world, policy);
    await world.clock.advance(2000);
    await stopPipeline(world, first);
    append(world, "/logs/a.log", "a2\n");
    append(world, "/logs/b.log", "b2\n");
    startPipeline(world, policy);
    await world.clock.advance(2000);
    const found = messages(world).filter((message) => message.length < 9);
    expect(found.sort()).toEqual(["a", "a2", "b", "b2"]);
    expect(messages(world).length).toBe(6);
  });

  test("rotation with the same first bytes: the new file is new", async () => {
    const world = worldWithLogs(1);
    const header = `${"h".repeat(1500)}\n`;
    append(world, LOG, `${header}1\n`);
    const runner = startPipeline(world, policyOf());
    await world.clock.advance(2000);
    await stopPipeline(world, runner);
    world.files.rename(LOG, `${LOG}.1`);
    append(world, LOG, `${header}2\n3\n`);
    startPipeline(world, policyOf());
    await world.clock.advance(2000);
    const found = messages(world).filter((message) => message.length < 9);
    expect(found).toEqual(["1", "2", "3"]);
  });

  test("a rotated name that the pattern matches too is not read twice", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "1\n");
    const policy = follow({ include: ["/logs/app.log*"], keepRotated: "1s" });
    const first = startPipeline(world, policy);
    await world.clock.advance(2000);
    world.files.rename(LOG, `${LOG}.1`);
    append(world, LOG, "2\n");
    await world.clock.advance(20_000);
    await stopPipeline(world, first);
    const second = startPipeline(world, policy);
    await world.clock.advance(20_000);
    expect(messages(world)).toEqual(["1", "2"]);
    expectBalanced(second);
  });

  test("links, sockets and compressed files are passed over, and that is said once", async () => {
    const world = worldWithLogs(1);
    world.files.link("/logs/in.log", "/logs/real.txt");
    world.files.write("/logs/real.txt", "linked\n");
    world.files.placeSocket("/logs/socket.log", 0o600);
    world.files.makeFolder("/logs/folder.log");
    world.files.write("/logs/old.log.gz", "zzz\n");
    const said: string[] = [];
    const policy = follow({ include: ["/logs/*.log", "/logs/*.gz"] });
    startPipeline(world, policy, { report: (line) => said.push(line) });
    await world.clock.advance(5000);
    expect(messages(world)).toEqual([]);
    expect(said.filter((line) => line.includes("in.log is passed over: it is a link")).length).toBe(1);
    expect(said.filter((line) => line.includes("socket.log is passed over")).length).toBe(1);
    expect(said.filter((line) => line.includes("compressed")).length).toBe(1);
  });

  test("links are followed where the source says so, and never out of its folders", async () => {
    const world = worldWithLogs(1);
    world.files.makeFolder("/containers/a");
    world.files.write("/containers/a/0.log", "pod\n");
    world.files.write("/secret.log", "secret\n");
    world.files.write("/logs/real.txt", "linked\n");
    world.files.link("/logs/in.log", "/logs/real.txt");
    world.files.link("/logs/pod.log", "/containers/a/0.log");
    world.files.link("/logs/out.log", "/secret.log");
    world.files.link("/logs/far.log", "/containers/../secret.log");
    const said: string[] = [];
    const config = { followLinks: true, linkFolders: ["/containers"] };
    const policy = follow({ include: ["/logs/*.log"], ...config });
    startPipeline(world, policy, { report: (line) => said.push(line) });
    await world.clock.advance(5000);
    expect(messages(world).sort()).toEqual(["linked", "pod"]);
    expect(said.filter((line) => line.includes("/logs/out.log is passed over")).length).toBe(1);
    // Rotated where it really lies.
    append(world, "/containers/a/0.log", "rest\n");
    world.files.rename("/containers/a/0.log", "/containers/a/0.log.20240301");
    append(world, "/containers/a/0.log", "new\n");
    await world.clock.advance(5000);
    expect(messages(world).slice(2)).toEqual(["rest", "new"]);
  });

  test("a log that becomes a link out of its folder is not followed there", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    world.files.write("/secret.log", "secret\n");
    startPipeline(world, follow({ followLinks: true }));
    await world.clock.advance(2000);
    world.files.remove(LOG);
    world.files.link(LOG, "/secret.log");
    await world.clock.advance(20_000);
    expect(messages(world)).toEqual(["one"]);
  });

  test("what is excluded is not followed, by path or by name", async () => {
    const world = worldWithLogs(1);
    world.files.makeFolder("/logs/old");
    for (const name of ["a", "b.debug", "old/c"]) append(world, `/logs/${name}.log`, `${name}\n`);
    startPipeline(
      world,
      follow({ include: ["/logs/**/*.log"], exclude: ["*.debug.log", "/logs/old/**"] }),
    );
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["a"]);
  });

  test("from the end: what is there at the first start is old, what comes later is not", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "old\nunfin");
    const policy = follow({ include: ["/logs/*.log"], readFrom: "end" });
    const first = startPipeline(world, policy);
    await world.clock.advance(2000);
    append(world, LOG, "ished\nnew\n");
    append(world, "/logs/later.log", "all of it\n");
    await world.clock.advance(2000);
    expect(messages(world).sort()).toEqual(["all of it", "new", "unfinished"]);
    await stopPipeline(world, first);
    append(world, LOG, "while down\n");
    startPipeline(world, policy);
    await world.clock.advance(2000);
    expect(messages(world).slice(3)).toEqual(["while down"]);
  });

  test("a folder that is not there is waited for, and that is said once", async () => {
    const world = worldWithLogs(1);
    const said: string[] = [];
    const policy = follow({ include: ["/later/deep/*.log"] });
    startPipeline(world, policy, { report: (line) => said.push(line) });
    await world.clock.advance(5000);
    world.files.makeFolder("/later/deep");
    append(world, "/later/deep/a.log", "one\n");
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["one"]);
    expect(said.filter((line) => line.includes("not there yet")).length).toBe(1);
  });

  test("no more than maxFiles are open; the others are read when one has gone", async () => {
    const world = worldWithLogs(1);
    for (const name of ["a", "b", "c"]) append(world, `/logs/${name}.log`, `${name}\n`);
    const policy = follow({ include: ["/logs/*.log"], maxFiles: 2, keepRotated: "1s" });
    startPipeline(world, policy);
    await world.clock.advance(3000);
    expect(messages(world).sort()).toEqual(["a", "b"]);
    world.files.remove("/logs/a.log");
    await world.clock.advance(10_000);
    expect(messages(world).sort()).toEqual(["a", "b", "c"]);
  });
});

describe("the checkpoint", () => {
  test("a damaged one is moved aside, and the files are read from their beginning", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    const first = startPipeline(world, policyOf());
    await world.clock.advance(2000);
    await stopPipeline(world, first);
    world.files.write(checkpointPath(), '{"version":1,"files":[{"pa');
    const said: string[] = [];
    startPipeline(world, policyOf(), { report: (line) => said.push(line) });
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["one", "one"]);
    expect(said.join("\n")).toContain("is damaged");
    expect(world.files.readText(`${checkpointPath()}.bad`)).toContain('{"pa');
  });

  test("a full disk is said once; what was not written down comes again", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    const life = mortal(world);
    const said: string[] = [];
    const first = startPipeline(life.world, policyOf(), { report: (line) => said.push(line) });
    await world.clock.advance(2000);
    append(world, LOG, "two\n");
    world.files.freeBytes = 0;
    await world.clock.advance(5000);
    expect(messages(world)).toEqual(["one", "two"]);
    expect(said.filter((line) => line.includes("checkpoint cannot be written")).length).toBe(1);
    expect(first.metrics()).toContain('counter="checkpoint_failures"');
    life.kill();
    world.files.freeBytes = Infinity;
    const second = startPipeline(world, policyOf());
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["one", "two", "two"]);
    expectBalanced(second);
  });

  test("a disk with room again is written to again", async () => {
    const world = worldWithLogs(1);
    append(world, LOG, "one\n");
    const said: string[] = [];
    const first = startPipeline(world, policyOf(), { report: (line) => said.push(line) });
    world.files.freeBytes = 0;
    await world.clock.advance(3000);
    world.files.freeBytes = Infinity;
    await world.clock.advance(3000);
    expect(said.at(-1)).toContain("is written again");
    await stopPipeline(world, first);
    startPipeline(world, policyOf());
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["one"]);
  });
});

// ---------------------------------------------------------------- by seed

type Rotation = "rename" | "copytruncate";

interface Play {
  readonly world: SimulatedWorld;
  readonly written: string[];
  /** Lines that were on their way when a process was killed may come twice. */
  kills: number;
}

/** An app that writes, a rotation, and kills at random moments. */
async function play(seed: number, rotation: Rotation, kills: boolean): Promise<Play> {
  const world = worldWithLogs(seed);
  world.files.missedChanges = 0.3;
  const { random } = world;
  const below = (n: number): number => Math.floor(random.next() * n);
  const state: Play = { world, written: [], kills: 0 };
  const policy = follow({ maxLineBytes: "128B", longLines: "split" });
  let life = mortal(world);
  let runner: PipelineRunner = startPipeline(life.world, policy);
  let log = world.files.open(LOG, "append");
  const line = (): string => {
    const text = `${state.written.length} ${"x".repeat(below(40))}`;
    state.written.push(text);
    return `${text}\n`;
  };
  for (let step = 0; step < 150; step++) {
    const dice = random.next();
    if (dice < 0.6) {
      const text = Array.from({ length: 1 + below(5) }, line).join("");
      // A line reaches the file in pieces; a copy in the middle of one would break it.
      const cut = rotation === "rename" ? below(text.length) : text.length;
      log.write(Buffer.from(text.slice(0, cut)));
      if (cut < text.length && random.next() < 0.5) await world.clock.advance(below(700));
      log.write(Buffer.from(text.slice(cut)));
    } else if (dice < 0.7) {
      log = rotate(world, log, rotation);
    } else if (dice < 0.75 && kills) {
      life.kill();
      state.kills += 1;
      if (random.next() < 0.5) log = rotate(world, log, rotation);
      life = mortal(world);
      runner = startPipeline(life.world, policy);
    } else await world.clock.advance(below(1500));
    expectBalanced(runner);
  }
  log.close();
  await world.clock.advance(20_000);
  expectBalanced(runner);
  return state;
}

function rotate(world: SimulatedWorld, log: ReturnType<typeof world.files.open>, how: Rotation) {
  for (let n = 8; n >= 1; n--) {
    const path = `${LOG}.${n}`;
    if (world.files.stat(path) !== null) world.files.rename(path, `${LOG}.${n + 1}`);
  }
  if (how === "rename") {
    world.files.rename(LOG, `${LOG}.1`);
    log.close();
    return world.files.open(LOG, "append");
  }
  world.files.write(`${LOG}.1`, world.files.readBytes(LOG));
  log.truncate(0);
  return log;
}

const SEEDS = Array.from({ length: 25 }, (_, i) => i + 1);

describe("by seed", () => {
  test("S2-17 rename rotation under writing: each line once, in order", async () => {
    for (const seed of SEEDS) {
      const { world, written } = await play(seed, "rename", false);
      expect({ seed, found: messages(world) }).toEqual({ seed, found: written });
    }
  });

  test("S2-17 copytruncate rotation under writing: each line once, in order", async () => {
    for (const seed of SEEDS) {
      const { world, written } = await play(seed, "copytruncate", false);
      expect({ seed, found: messages(world) }).toEqual({ seed, found: written });
    }
  });

  test("S2-17 killed at any moment while the file is rotated: no line is missing", async () => {
    for (const rotation of ["rename", "copytruncate"] as const) {
      for (const seed of SEEDS) {
        const { world, written } = await play(seed, rotation, true);
        const found = new Set(messages(world));
        const missing = written.filter((line) => !found.has(line));
        expect({ seed, rotation, missing }).toEqual({ seed, rotation, missing: [] });
        expect(found.size).toBe(written.length);
      }
    }
  }, 30_000);
});
