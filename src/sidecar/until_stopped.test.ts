import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { untilStopped } from "./until_stopped.ts";

function setup(drainMs: number) {
  const world = createSimulatedWorld({ seed: 1 });
  const calls: string[] = [];
  let code: number | null = null;
  const what = {
    drain: async () => {
      calls.push("drain");
      await world.clock.sleep(drainMs);
    },
    close: () => void calls.push("close"),
  };
  void untilStopped(world, what).then((result) => (code = result));
  return { world, calls, code: () => code };
}

test("SIGTERM drains and ends with 0", async () => {
  const { world, calls, code } = setup(500);
  world.signals.raise("SIGTERM");
  await world.clock.advance(499);
  expect(code()).toBeNull();
  await world.clock.advance(2);
  expect([code(), calls]).toEqual([0, ["drain"]]);
  expect(world.leaks()).toEqual([]);
});

test("a second signal ends at once", async () => {
  const { world, calls, code } = setup(60_000);
  world.signals.raise("SIGINT");
  world.signals.raise("SIGTERM");
  await world.clock.advance(0);
  expect([code(), calls]).toEqual([130, ["drain", "close"]]);
});
