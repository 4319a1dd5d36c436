import { expect, test } from "bun:test";
import type { SimulatedWorld } from "../base/simulated/mod.ts";
import { machine, outrigger, shopUp, until } from "./testdata/machine.ts";

/** A second program of the same machine, whose process is not that of `up`. */
function otherShell(world: SimulatedWorld): SimulatedWorld {
  const self = { ...world.processes.self, pid: 77 };
  const processes = Object.create(world.processes, { self: { value: self } });
  return { ...world, processes };
}

test("down tells up to stop, and waits for it", async () => {
  const { world, up } = await shopUp();
  const shell = otherShell(world);
  const signalled: string[] = [];
  shell.processes.signal = (pid, signal, whom) => {
    signalled.push(`${pid} ${signal} ${whom}`);
    if (pid === world.processes.self.pid) world.signals.raise(signal);
  };
  shell.processes.isAlive = (pid) =>
    pid === world.processes.self.pid ? up.code === null : world.processes.isAlive(pid);
  const { code, err } = await outrigger(shell, "down");
  expect([code, err, up.code]).toEqual([0, "shop is down\n", 0]);
  expect(signalled).toEqual([`${world.processes.self.pid} SIGTERM process`]);
  expect(world.processes.children.size).toBe(0);
  const purged = await outrigger(shell, "down", "--purge");
  expect([purged.code, purged.err]).toEqual([0, "removed the state of shop\n"]);
  expect(world.files.stat("/state/shop")).toBeNull();
});

test("what a killed up left is stopped; a number that is another's by now is not", async () => {
  const { world } = await shopUp();
  const children = [...world.processes.children.values()];
  const shell = otherShell(world);
  shell.processes.isAlive = (pid) =>
    pid !== world.processes.self.pid && world.processes.isAlive(pid);
  const [mine, reused] = children;
  const record = JSON.parse(world.files.readText("/state/shop/running.json"));
  for (const { pid } of children) {
    world.files.makeFolder(`/proc/${pid}`);
    const stat = `${pid} (a) b) S 1 ${pid} ${pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0\n`;
    world.files.write(`/proc/${pid}/stat`, stat);
  }
  for (const process of record.processes) {
    process.mark.start = process.mark.pid === reused?.pid ? ":12" : ":4711";
  }
  world.files.write("/state/shop/running.json", JSON.stringify(record));
  const { code, err } = await outrigger(shell, "down");
  expect(code).toBe(0);
  expect(err).toBe("shop is down: its up had been killed; 1 processes were left behind\n");
  expect([mine?.isAlive, reused?.isAlive]).toEqual([false, true]);
  world.signals.raise("SIGTERM");
  await until(world, () => world.processes.children.size === 0);
});

test("where nothing runs, it says so with status 9", async () => {
  expect((await outrigger(machine(), "down")).code).toBe(9);
});
