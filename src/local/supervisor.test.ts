import { expect, test } from "bun:test";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import type { FakeChild } from "../base/simulated/processes.ts";
import { RESTART_LIMITS, SIDECAR_RESTART_LIMITS, type ProcessPlan } from "./supervised_process.ts";
import { Supervisor } from "./supervisor.ts";

interface Started {
  readonly child: FakeChild;
  readonly atMs: number;
}

function setup(seed = 1) {
  const world = createSimulatedWorld({ seed });
  const started: Started[] = [];
  const lines: string[] = [];
  const notices: string[] = [];
  world.programs.set("server", (child) => {
    started.push({ child, atMs: world.clock.now() });
    child.stdout(`hello from ${child.command.join(" ")}\n`);
  });
  const supervisor = new Supervisor(world, {
    onChange: () => {},
    onLine: (process, text) => lines.push(`${process.plan.label}: ${text}`),
    onNotice: (process, text) => notices.push(`${process.plan.label}: ${text}`),
  });
  return { world, started, lines, notices, supervisor };
}

function plan(id: string, more: Partial<ProcessPlan> = {}): ProcessPlan {
  return {
    id,
    label: id,
    role: "app",
    workload: id,
    command: ["server", id],
    folder: "/home/app",
    env: {},
    port: null,
    probe: async () => true,
    stopWaitMs: 1_000,
    ...more,
  };
}

async function done(world: SimulatedWorld, promise: Promise<unknown>): Promise<void> {
  let ended = false;
  const end = () => (ended = true);
  promise.then(end, end);
  await world.clock.until(() => ended, 600_000);
  await promise;
  // A program begins in the event after the one that started it.
  await world.clock.advance(1);
}

test("the first restart is at once, later ones wait longer, a long run resets", async () => {
  const { world, started, supervisor } = setup();
  await done(world, supervisor.apply([plan("a")]));
  const crash = async () => {
    const count = started.length;
    started.at(-1)?.child.exit(1);
    const from = world.clock.now();
    await world.clock.until(() => started.length > count, 120_000);
    return world.clock.now() - from;
  };
  expect(await crash()).toBe(0);
  let longest = 0;
  for (let round = 0; round < 12; round += 1) {
    const waited = await crash();
    const fullMs = Math.min(RESTART_LIMITS.maxMs, RESTART_LIMITS.baseMs * 2 ** round);
    expect(waited).toBeGreaterThanOrEqual(fullMs / 2);
    expect(waited).toBeLessThanOrEqual(fullMs);
    longest = Math.max(longest, waited);
  }
  expect(longest).toBeGreaterThan(RESTART_LIMITS.maxMs / 2);
  await world.clock.advance(RESTART_LIMITS.resetAfterMs);
  expect(await crash()).toBe(0);
  expect(supervisor.processes.get("a")?.restarts).toBe(started.length - 1);
  await done(world, supervisor.stop());
  expect(world.leaks()).toEqual([]);
});

test("a sidecar that ran for a second comes back at once, however often it is killed", async () => {
  const { world, started, supervisor } = setup();
  await done(world, supervisor.apply([plan("a", { role: "sidecar" })]));
  for (let kill = 1; kill <= 8; kill += 1) {
    await world.clock.advance(SIDECAR_RESTART_LIMITS.resetAfterMs);
    started.at(-1)?.child.receive("SIGKILL");
    await world.clock.advance(1);
    expect(started.length).toBe(kill + 1);
  }
  await done(world, supervisor.stop());
  expect(world.leaks()).toEqual([]);
});

test("a process killed by a signal comes back, and what it wrote is split into lines", async () => {
  const { world, started, lines, notices, supervisor } = setup();
  await done(world, supervisor.apply([plan("a")]));
  await world.clock.advance(10);
  started[0]?.child.receive("SIGKILL");
  await world.clock.advance(10);
  expect(started.length).toBe(2);
  expect(notices).toEqual(["a: ended by SIGKILL; started again at once"]);
  started[1]?.child.stdout("one\r\ntwo\nthr");
  started[1]?.child.stderr("bad\n");
  await world.clock.advance(1);
  started[1]?.child.stdout("ee");
  await world.clock.advance(1);
  await done(world, supervisor.stop());
  const hello = "a: hello from server a";
  expect(lines).toEqual([hello, hello, "a: one", "a: two", "a: bad", "a: three"]);
});

test("only what changed is started again; what is gone stops, what is new starts", async () => {
  const { world, started, supervisor } = setup();
  await done(world, supervisor.apply([plan("a"), plan("b"), plan("c")]));
  const changed = plan("b", { env: { MODE: "new" } });
  await done(world, supervisor.apply([plan("a"), changed, plan("d")]));
  const commands = started.map(({ child }) => child.command[1]);
  expect(commands.slice(0, 3)).toEqual(["a", "b", "c"]);
  expect(commands.slice(3).sort()).toEqual(["b", "d"]);
  const again = started.slice(3).find(({ child }) => child.command[1] === "b");
  expect(again?.child.env).toEqual({ MODE: "new" });
  expect([...world.processes.children.values()].map((child) => child.command[1]).sort()).toEqual([
    "a",
    "b",
    "d",
  ]);
  await done(world, supervisor.stop());
  expect(world.leaks()).toEqual([]);
});

test("sidecars are ready before the app starts, and stop before it", async () => {
  const { world, started, supervisor } = setup();
  let isReady = false;
  const sidecar = plan("a/sidecar", { role: "sidecar", probe: async () => isReady });
  const applied = supervisor.apply([plan("a"), sidecar]);
  await world.clock.advance(300);
  expect(started.map(({ child }) => child.command[1])).toEqual(["a/sidecar"]);
  isReady = true;
  await done(world, applied);
  expect(started.map(({ child }) => child.command[1])).toEqual(["a/sidecar", "a"]);
  const ends: string[] = [];
  for (const { child } of started) {
    child.onSignal("SIGTERM", () => {
      ends.push(child.command[1] ?? "");
      child.exit(0);
    });
  }
  await done(world, supervisor.stop());
  expect(ends).toEqual(["a/sidecar", "a"]);
});

test("what ignores SIGTERM is killed after its time", async () => {
  const { world, started, supervisor } = setup();
  await done(world, supervisor.apply([plan("a", { stopWaitMs: 2_500 })]));
  await world.clock.advance(1);
  started[0]?.child.onSignal("SIGTERM", () => {});
  const from = world.clock.now();
  await done(world, supervisor.stop());
  expect(world.clock.now() - from).toBeGreaterThanOrEqual(2_500);
  expect(world.processes.children.size).toBe(0);
});

test("a stop in the middle of a change leaves nothing running", async () => {
  for (const waitMs of [0, 1, 5, 100, 400]) {
    const { world, supervisor, started } = setup();
    const sidecar = plan("a/sidecar", { role: "sidecar" });
    await done(world, supervisor.apply([plan("a"), sidecar]));
    await world.clock.advance(1);
    started[1]?.child.onSignal("SIGTERM", () => {
      world.clock.plan(300, () => started[1]?.child.exit(0));
    });
    const next = plan("a", { env: { MODE: "new" } });
    void supervisor.apply([next, { ...sidecar, env: { MODE: "new" } }, plan("b")]);
    await world.clock.advance(waitMs);
    await done(world, supervisor.stop());
    await world.clock.advance(60_000);
    expect(world.processes.children.size).toBe(0);
  }
});

test("what never gets ready is named in time", async () => {
  const { world, supervisor } = setup();
  await done(world, supervisor.apply([plan("a"), plan("slow", { probe: async () => false })]));
  const late = supervisor.notReady(3_000);
  await world.clock.advance(3_001);
  expect((await late).map(({ plan: { id } }) => id)).toEqual(["slow"]);
  await done(world, supervisor.stop());
});

test("a command that cannot be started says so, and leaves the others", async () => {
  const { world, supervisor } = setup();
  const bad = plan("bad", { command: ["no-such-program"] });
  await expect(done(world, supervisor.apply([bad]))).rejects.toThrow("no-such-program");
  await done(world, supervisor.apply([plan("a")]));
  expect(world.processes.children.size).toBe(1);
  await done(world, supervisor.stop());
});
