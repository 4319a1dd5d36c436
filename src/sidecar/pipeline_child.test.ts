import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import type { FakeChild } from "../base/simulated/processes.ts";
import { PipelineChild } from "./pipeline_child.ts";

function setup() {
  const world = createSimulatedWorld({ seed: 1 });
  const started: FakeChild[] = [];
  const log: string[] = [];
  world.programs.set("outrigger", (child) => void started.push(child));
  const pipelines = new PipelineChild(world, "/s.json", "/state", (line) => log.push(line));
  return { world, started, log, pipelines };
}

test("a child that takes too much memory is killed and started again", async () => {
  const { world, started, log, pipelines } = setup();
  pipelines.start();
  await world.clock.advance(10);
  const [first] = started;
  world.files.makeFolder(`/proc/${first?.pid}`);
  const status = (kib: number) =>
    world.files.write(`/proc/${first?.pid}/status`, `Name:\ta\nVmRSS:\t  ${kib} kB\nThreads:\t1\n`);
  status(200 * 1024);
  await world.clock.advance(6_000);
  expect(started.length).toBe(1);
  status(300 * 1024);
  await world.clock.advance(6_000);
  expect([first?.isAlive, started.length, pipelines.restarts]).toEqual([false, 2, 1]);
  expect(log[0]).toBe("pipeline: 307200 KiB resident, 262144 allowed: it is killed");
  const stopped = pipelines.stop();
  await world.clock.advance(10);
  await stopped;
  expect(world.leaks()).toEqual([]);
});

test("one that ends again and again is started with growing waits; a stop ends that", async () => {
  const { world, started, pipelines } = setup();
  pipelines.start();
  for (let crash = 0; crash < 6; crash += 1) {
    await world.clock.until(() => started.length > crash, 60_000);
    started[crash]?.exit(1);
  }
  await world.clock.advance(100);
  expect(started.length).toBe(6);
  await pipelines.stop();
  await world.clock.advance(120_000);
  expect(started.length).toBe(6);
  expect(world.leaks()).toEqual([]);
});

test("what it says on standard error becomes log lines", async () => {
  const { world, started, log, pipelines } = setup();
  pipelines.start();
  await world.clock.advance(1);
  started[0]?.stderr("one\ntw");
  started[0]?.stderr("o\n");
  await world.clock.advance(1);
  expect(log).toEqual(["pipeline: one", "pipeline: two"]);
  void pipelines.stop();
  await world.clock.advance(10);
});
