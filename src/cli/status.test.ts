import { expect, test } from "bun:test";
import { machine, outrigger, shopUp, until } from "./testdata/machine.ts";

test("status shows what runs, found from any shell", async () => {
  const { world } = await shopUp();
  const { code, out } = await outrigger(world, "status");
  expect(code).toBe(0);
  const lines = out.trim().split("\n");
  expect(lines[0]).toStartWith("SET   PROCESS        STATE  PORT  PID");
  expect(lines[1]).toMatch(/^shop  shop\/frontend  ready  8080  \d+  0 /);
  expect(lines[2]).toMatch(/^shop  shop\/api       ready  9000  \d+  0 /);
  const json = JSON.parse((await outrigger(world, "status", "-o", "json")).out);
  expect([json.name, json.phase, json.processes.length]).toEqual(["shop", "ready", 2]);
  expect((await outrigger(world, "status", "-o", "yaml")).out).toStartWith("name: shop\n");
  expect((await outrigger(world, "status", "--name", "other")).err).toContain("what runs: shop");
  world.signals.raise("SIGTERM");
  await until(world, () => world.processes.children.size === 0);
});

test("where nothing runs, it says so with status 9", async () => {
  const { code, err } = await outrigger(machine(), "status");
  const advice = "  outrigger up FILE... starts something\n";
  expect([code, err]).toEqual([9, `error: nothing runs\n${advice}`]);
});
