import { expect, test } from "bun:test";
import { coloursFor } from "../base/colour.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import type { ProcessRecord } from "./running_record.ts";
import { Screen } from "./screen.ts";
import { tableLines } from "./table.ts";

test("without a terminal lines are simply written, and there is no table", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const screen = new Screen(world);
  screen.showTable(() => ["table"]);
  screen.line("one");
  screen.line("two");
  await world.clock.advance(2_000);
  expect(world.stdio.text()).toBe("one\ntwo\n");
  expect(world.leaks()).toEqual([]);
});

test("on a terminal the table is drawn at most twice a second, lines scroll above it", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.stdio.stdout.isTerminal = true;
  const screen = new Screen(world);
  let drawings = 0;
  screen.showTable(() => {
    drawings += 1;
    return [`table ${drawings}`, "row"];
  });
  for (let line = 0; line < 40; line += 1) {
    screen.line(`line ${line}`);
    await world.clock.advance(50);
  }
  expect(drawings).toBeLessThanOrEqual(4);
  const text = world.stdio.text();
  expect(text).toContain("line 8\nline 9\ntable 1\nrow\n\x1b[2A\r\x1b[Jline 10\n");
  screen.line("last");
  const ended = screen.end();
  await world.clock.advance(10);
  await ended;
  expect(world.stdio.text()).toEndWith("last\n");
  expect(world.leaks()).toEqual([]);
});

test("a terminal that takes nothing loses lines, says how many, and stops nobody", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const screen = new Screen(world);
  world.stdio.stdout.isBlocked = true;
  for (let line = 0; line < 12_000; line += 1) screen.line("x");
  world.stdio.stdout.isBlocked = false;
  await world.clock.advance(10);
  expect(world.stdio.text()).toMatch(/\(\d+ lines were not shown\)/);
  world.stdio.stdout.isClosed = true;
  screen.line("nobody reads this");
  await world.clock.advance(10);
  screen.line("nor this");
});

test("the table has a row a workload, no wider than the terminal", () => {
  const world = createSimulatedWorld({ seed: 1 });
  const record = (role: "app" | "sidecar", state: ProcessRecord["state"]): ProcessRecord => ({
    ...{ id: role, label: "api", role, workload: "shop/api", state },
    ...{ mark: null, restarts: 0, port: 1, admin: null },
  });
  const lines = tableLines(
    [record("sidecar", "waiting"), record("app", "ready")],
    [],
    coloursFor(world, world.stdio.stdout),
    50,
  );
  expect(lines.length).toBe(3);
  expect(lines[2]).toStartWith("api  sidecar crashed  -");
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(50);
});
