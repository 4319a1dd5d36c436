import { expect, test } from "bun:test";
import { createSimulatedWorld, type SimulatedWorld } from "../../base/simulated/mod.ts";
import type { ThreadPort } from "../../base/world.ts";
import { runThread } from "../thread.ts";
import { BEAT_MS, CellsWatcher, FilterCells, type Watched } from "./filter_cells.ts";
import { runWatchdog, type WatchOrder } from "./watchdog.ts";

const FILTERS = ["auth (/app/auth.ts)", "body (/app/body.ts)"];

function watched(cells: FilterCells, limitMs = 2_000): Watched {
  return { cells: cells.memory, filters: FILTERS, limitMs };
}

/** The watchdog in a world of its own; what it is told comes by `tell`. */
function watchdog() {
  const world: SimulatedWorld = createSimulatedWorld({ seed: 1 });
  let tell: (message: unknown) => void = () => {};
  const port: ThreadPort = { post: () => {}, onMessage: (run) => (tell = run) };
  return { world, port, tell: (order: WatchOrder) => tell(order) };
}

test("a thread that beats is left alone, also in the middle of a hook", async () => {
  const { world, port, tell } = watchdog();
  runWatchdog(world, port);
  const cells = new FilterCells();
  tell({ kind: "watch-filters", ...watched(cells) });
  for (let beat = 0; beat < 100; beat++) {
    cells.enter(0);
    cells.beat();
    cells.leave();
    await world.clock.advance(7 * BEAT_MS);
  }
  expect(world.processes.self.exitCode).toBeNull();
  expect(world.stdio.stderr.text()).toBe("");
});

test.each([
  ["in the filter body (/app/body.ts)", (cells: FilterCells) => cells.enter(1)],
  [
    "perhaps behind an await of the filter auth (/app/auth.ts), or body (/app/body.ts)",
    (cells: FilterCells) => {
      cells.waits(0, 1);
      cells.waits(1, 1);
    },
  ],
  ["in no filter's hook", () => {}],
])("one that stands still ends the process, with the place: %s", async (place, be) => {
  const { world, port, tell } = watchdog();
  runWatchdog(world, port);
  const cells = new FilterCells();
  tell({ kind: "watch-filters", ...watched(cells) });
  be(cells);
  await world.clock.advance(1_900);
  expect(world.processes.self.exitCode).toBeNull();
  // The simulated end of a process throws.
  await world.clock.advance(1_000).catch(() => {});
  expect(world.processes.self.exitCode).toBe(70);
  expect(world.stdio.stderr.text()).toBe(
    `outrigger: the event loop has stood still for 2 s, ${place}; this process ends here, and its` +
      " supervisor starts it anew\n",
  );
});

test("looks are counted, not time: a machine that slept was no loop", () => {
  const cells = new FilterCells();
  const watcher = new CellsWatcher(watched(cells));
  for (let hour = 0; hour < 5; hour++) {
    cells.beat();
    expect(watcher.look()).toBeNull();
  }
});

test("beyond 64 filters the waiting ones share a cell, and nothing breaks", () => {
  const cells = new FilterCells();
  const filters = Array.from({ length: 80 }, (_, index) => `f${index}`);
  const watcher = new CellsWatcher({ ...watched(cells), filters });
  cells.waits(79, 1);
  expect(watcher.place()).toContain("f79");
  cells.enter(79);
  expect(watcher.place()).toBe("in the filter f79");
});

test("a further thread becomes what its first message says", async () => {
  const { world, port, tell } = watchdog();
  runThread(world, port);
  const cells = new FilterCells();
  tell({ kind: "watch-filters", ...watched(cells) });
  // Its code is loaded, which takes real turns of the loop.
  await import("./watchdog.ts");
  await Promise.resolve();
  await world.clock.advance(5_000).catch(() => {});
  expect(world.processes.self.exitCode).toBe(70);
});
