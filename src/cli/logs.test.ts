import { expect, test } from "bun:test";
import { background, outrigger, shopUp, until } from "./testdata/machine.ts";

test("logs prints the last lines of each app, and goes on with what comes", async () => {
  const { world } = await shopUp();
  const api = await outrigger(world, "logs", "api");
  expect(api).toEqual({ code: 0, out: "api | api listens on 9000, calls nobody\n", err: "" });
  expect((await outrigger(world, "logs", "-n", "1", "frontend")).out.split("\n").length).toBe(2);
  const json = JSON.parse((await outrigger(world, "logs", "api", "-o", "json")).out);
  expect(json).toMatchObject({ label: "api", text: "api listens on 9000, calls nobody" });
  const unknown = await outrigger(world, "logs", "ap");
  expect([unknown.code, unknown.err]).toEqual([
    2,
    "error: no app ap runs in shop\n  what runs: shop/frontend, shop/api\n",
  ]);

  world.stdio.stdout.clear();
  background(world, "logs", "api", "-F", "-n", "0");
  const child = [...world.processes.children.values()].find((one) => one.command[1] === "api");
  await world.clock.advance(500);
  await until(world, () => false);
  child?.stdout("late\n");
  expect(await until(world, () => world.stdio.text().includes("api | late\n"))).toBe(true);
  world.signals.raise("SIGTERM");
  await until(world, () => world.processes.children.size === 0);
});
