import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { readSources } from "./load_set.ts";
import { FileWatch } from "./watch_files.ts";

async function setup(missedChanges = 0) {
  const world = createSimulatedWorld({ seed: 1 });
  world.files.missedChanges = missedChanges;
  world.files.makeFolder("/home/app/d");
  world.files.write("/home/app/d/a.yaml", "a: 1\n");
  let changes = 0;
  const files = ["d"];
  const watch = new FileWatch(world, files, await readSources(world, files), async () => {
    changes += 1;
  });
  return { world, watch, changes: () => changes };
}

test("a change is seen soon, a write of the same content is none", async () => {
  const { world, watch, changes } = await setup();
  world.files.write("/home/app/d/a.yaml", "a: 2\n");
  await world.clock.advance(150);
  expect(changes()).toBe(1);
  world.files.write("/home/app/d/a.yaml", "a: 2\n");
  world.files.replace("/home/app/d/a.yaml", "a: 2\n");
  await world.clock.advance(5_000);
  expect(changes()).toBe(1);
  watch.close();
  expect(world.leaks()).toEqual([]);
});

test("several writes of one save are one change; new and removed files count", async () => {
  const { world, watch, changes } = await setup();
  world.files.write("/home/app/d/a.yaml", "");
  world.files.write("/home/app/d/a.yaml", "a: 3\n");
  world.files.write("/home/app/d/b.yaml", "b: 1\n");
  await world.clock.advance(150);
  expect(changes()).toBe(1);
  world.files.remove("/home/app/d/b.yaml");
  await world.clock.advance(150);
  expect(changes()).toBe(2);
  watch.close();
});

test("a change that no watcher hears of is found by looking", async () => {
  const { world, watch, changes } = await setup(1);
  world.files.write("/home/app/d/a.yaml", "a: 2\n");
  await world.clock.advance(2_100);
  expect(changes()).toBe(1);
  watch.close();
});

test("a log file that grows beside the files does not put a change off", async () => {
  const { world, watch, changes } = await setup();
  world.files.write("/home/app/d/a.yaml", "a: 2\n");
  for (let write = 0; write < 15; write += 1) {
    world.files.write("/home/app/d/app.log", `${write}\n`);
    await world.clock.advance(10);
  }
  expect(changes()).toBe(1);
  watch.close();
});

test("files that cannot be read are a change too, and their return another", async () => {
  const { world, watch, changes } = await setup();
  world.files.remove("/home/app/d/a.yaml");
  await world.clock.advance(2_500);
  expect(changes()).toBe(1);
  world.files.write("/home/app/d/a.yaml", "a: 1\n");
  await world.clock.advance(2_500);
  expect(changes()).toBe(2);
  watch.close();
});
