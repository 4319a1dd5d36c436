import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { ProcessLog } from "./process_log.ts";
import { followLogs, lastLines, type LogLine } from "./read_logs.ts";

function setup(maxBytes = 1_000) {
  const world = createSimulatedWorld({ seed: 1 });
  const reports: string[] = [];
  const log = new ProcessLog(world, "/tmp/a.log", (text) => reports.push(text), maxBytes);
  return { world, reports, log, files: [{ label: "a", path: "/tmp/a.log" }] };
}

test("a log never takes more than two files of its bound, and keeps the newest", async () => {
  const { world, log, files } = setup();
  for (let line = 0; line < 500; line += 1) {
    log.line(`line ${line}`);
    await world.clock.advance(1);
  }
  for (const path of ["/tmp/a.log", "/tmp/a.log.1"]) {
    const stat = world.files.stat(path);
    expect(stat?.sizeBytes).toBeGreaterThan(0);
    expect(stat?.sizeBytes).toBeLessThanOrEqual(1_000);
    expect((stat?.mode ?? 0) & 0o777).toBe(0o600);
  }
  const last = lastLines(world, files, 3).map(({ text }) => text);
  expect(last).toEqual(["line 497", "line 498", "line 499"]);
  log.close();
  expect(world.leaks()).toEqual([]);
});

test("a full disk is said once and stops nothing; when there is room it goes on", () => {
  const { world, log, reports, files } = setup();
  log.line("before");
  world.files.freeBytes = 0;
  for (let line = 0; line < 10; line += 1) log.line("lost");
  expect(reports.length).toBe(1);
  expect(reports[0]).toStartWith("cannot write /tmp/a.log: ");
  world.files.freeBytes = 10_000;
  log.line("after");
  expect(lastLines(world, files, 1).map(({ text }) => text)).toEqual(["after"]);
});

test("logs of several processes are in the order of time", async () => {
  const { world, log, files } = setup();
  const other = new ProcessLog(world, "/tmp/b.log", () => {});
  for (const [which, text] of [[log, "1"], [other, "2"], [log, "3"]] as const) {
    which.line(text);
    await world.clock.advance(10);
  }
  const both = [...files, { label: "b", path: "/tmp/b.log" }];
  const texts = lastLines(world, both, 10).map(({ label, text }) => `${label}${text}`);
  expect(texts).toEqual(["a1", "b2", "a3"]);
});

test("following a log misses no line across its rotation", async () => {
  const { world, log, files } = setup(5_000);
  log.line("old");
  const seen: LogLine[] = [];
  const stop = followLogs(world, files, (line) => seen.push(line));
  for (let line = 0; line < 400; line += 1) {
    log.line(`line ${line}`);
    if (line % 20 === 0) await world.clock.advance(250);
  }
  await world.clock.advance(500);
  const all = Array.from({ length: 400 }, (_, at) => `line ${at}`);
  expect(seen.map(({ text }) => text)).toEqual(all);
  stop();
  log.close();
  expect(world.leaks()).toEqual([]);
});
