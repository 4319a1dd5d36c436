import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { LineWriter } from "./line_writer.ts";

test("lines come in order; a reader that stands still costs bounded memory", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const { stdout } = world.stdio;
  const writer = new LineWriter(stdout);
  writer.write("first");
  stdout.isBlocked = true;
  const line = "x".repeat(64 * 1024 - 1);
  for (let count = 0; count < 200; count += 1) writer.write(line);
  stdout.isBlocked = false;
  await world.clock.advance(1);
  writer.write("last");
  await world.clock.advance(1);
  const lines = world.stdio.text().trimEnd().split("\n");
  expect(lines[0]).toBe("first");
  expect(lines.at(-1)).toBe("last");
  const dropped = Number(/^\{"dropped_log_writes":(\d+)\}$/.exec(lines.at(-2) ?? "")?.[1]);
  expect(dropped).toBeGreaterThan(100);
  expect(lines.filter((one) => one === line).length).toBe(200 - dropped);
});

test("a reader that is gone ends the writing, and nothing else", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const writer = new LineWriter(world.stdio.stdout);
  world.stdio.stdout.isClosed = true;
  writer.write("one");
  await world.clock.advance(1);
  writer.write("two");
  await world.clock.advance(1);
  expect(world.stdio.text()).toBe("");
});

test("the end waits for what the reader takes, and not for one that stands still", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const { stdout } = world.stdio;
  const writer = new LineWriter(stdout);
  let ends = 0;
  const finish = (): void => void writer.finish(world.clock).then(() => ends++);
  writer.write("last");
  finish();
  await world.clock.until(() => ends === 1, 10);
  expect([ends, world.stdio.text()]).toEqual([1, "last\n"]);
  stdout.isBlocked = true;
  writer.write("never");
  finish();
  await world.clock.advance(999);
  expect(ends).toBe(1);
  await world.clock.advance(1);
  expect([ends, world.clock.pendingTimers]).toEqual([2, 0]);
});
