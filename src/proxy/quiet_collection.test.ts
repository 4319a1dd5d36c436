import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { QuietCollection } from "./quiet_collection.ts";

const MIB = 2 ** 20;

test("what a load left is collected when it is over, once, and not while it goes on", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const { self } = world.processes;
  let cpuMs = 0;
  let residentBytes = 50 * MIB;
  const second = async (usedMs: number, bytes = residentBytes): Promise<number> => {
    cpuMs += usedMs;
    residentBytes = bytes;
    self.resources = { residentBytes, userMs: cpuMs, systemMs: 0 };
    await world.clock.advance(1_000);
    return self.collections;
  };
  self.resources = { residentBytes, userMs: 0, systemMs: 0 };
  const collection = new QuietCollection(world);
  expect(await second(1)).toBe(0);
  expect(await second(600, 90 * MIB)).toBe(0);
  expect(await second(60)).toBe(0);
  expect(await second(10)).toBe(1);
  // What stays is taken for what is needed.
  expect(await second(10, 66 * MIB)).toBe(1);
  for (let n = 0; n < 10; n++) expect(await second(5, 70 * MIB)).toBe(1);
  expect(await second(5, 75 * MIB)).toBe(2);
  collection.stop();
  expect(world.leaks()).toEqual([]);
});
