import { expect, test } from "bun:test";
import { outrigger } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

test("the log level is shown and changed, of one app or of all", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  expect((await outrigger(world, "log-level")).out).toMatch(/shop\/frontend +info\nshop\/api +info\n$/);
  expect((await outrigger(world, "log-level", "api", "debug")).out).toMatch(/shop\/api +debug\n$/);
  world.stdio.stdout.clear();
  await ask("/api/a");
  expect(world.stdio.stdout.text()).toContain('"debug":"try"');
  expect((await outrigger(world, "log-level", "error")).out).toMatch(/frontend +error\n.*api +error\n$/);
  world.stdio.stdout.clear();
  await ask("/api/a");
  expect(world.stdio.stdout.text()).toBe("");
  expect((await outrigger(world, "log-level", "api", "loud")).code).toBe(2);
  await running.stop();
});
