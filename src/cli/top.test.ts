import { expect, test } from "bun:test";
import { outrigger } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

test("top shows rates, errors and times of routes and clusters between two looks", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  running.answer = () => 500;
  await ask("/api/a");
  await ask("/api/a");
  world.clock.after(1_000, () => running.send("/"));
  world.clock.after(1_500, () => running.send("/api/a"));
  const top = await outrigger(world, "top", "frontend", "--once", "--interval", "4s");
  expect(top.out).toMatch(/^shop\/frontend +route +inbound \/\* +0\.5\/s +50\.0% +[\d.]+ms +[\d.]+ms +0/m);
  expect(top.out).toMatch(/^shop\/frontend +cluster +api +0\.0\/s +0\.0% +- +- +0 +0\.0\/s +0\.2\/s +open$/m);
  const json = JSON.parse((await outrigger(world, "top", "--by", "cluster", "-o", "json")).out);
  expect(json.map((row: { name: string }) => row.name)).toEqual(["app", "api", "app"]);
  await running.stop();
});
