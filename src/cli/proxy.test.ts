import { expect, test } from "bun:test";
import { background, machine, outrigger, SHOP, until } from "./testdata/machine.ts";

test("proxy runs a Snapshot alone, and says when it is ready", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  const { out } = await outrigger(world, "compile", "shop.yaml", "--app", "api");
  world.files.write("s.json", out);
  const running = background(world, "proxy", "--snapshot=s.json");
  expect(await until(world, () => world.stdio.stderr.text() === "ready\n")).toBe(true);
  expect(world.net.listeners).toBe(1);
  world.signals.raise("SIGTERM");
  await until(world, () => running.code !== null);
  expect([running.code, world.net.listeners]).toEqual([0, 0]);
});

test("a port in use ends it with status 4", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  const { out } = await outrigger(world, "compile", "shop.yaml", "--app", "api");
  world.files.write("s.json", out);
  world.net.listen({ address: { host: "127.0.0.1", port: 9000 } }, () => null);
  expect((await outrigger(world, "proxy", "--snapshot", "s.json")).code).toBe(4);
});
