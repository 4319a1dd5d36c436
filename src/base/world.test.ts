import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBunWorld } from "./bun/mod.ts";
import { ROUGH } from "./simulated/faults.ts";
import { createSimulatedWorld } from "./simulated/mod.ts";
import type { SimulatedWorldOptions } from "./simulated/mod.ts";
import { worldContract } from "./world_contract.ts";
import type { ContractWorld } from "./world_contract.ts";

/** Longer than anything takes on a busy machine: only a hang gets here. */
const HANG_MS = 4_000;

worldContract("the Bun world", () => {
  const folder = mkdtempSync(join(tmpdir(), "outrigger-world-"));
  return {
    world: createBunWorld(),
    folder,
    async until(condition) {
      const end = performance.now() + HANG_MS;
      while (!condition()) {
        if (performance.now() > end) throw new Error("it never came");
        await Bun.sleep(0);
      }
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
});

worldContract("a simulated world", () => simulated({ seed: 1 }));

// Without the faults that end a connection, and with room for a small write: as on a real system.
const slowAndTorn = {
  ...ROUGH,
  windowBytes: 200_000,
  partialWrite: 0,
  reset: 0,
  connectRefused: 0,
  connectLost: 0,
};
worldContract("a simulated world with a slow and torn network", () =>
  simulated({ seed: 2, faults: slowAndTorn }),
);

function simulated(options: SimulatedWorldOptions): ContractWorld {
  const world = createSimulatedWorld(options);
  return {
    world,
    folder: "/home/app",
    async until(condition) {
      if (!(await world.clock.until(condition, 3_600_000))) throw new Error("it never came");
    },
    async close() {
      await world.clock.advance(1_000);
      const leaks = world.leaks();
      if (leaks.length > 0) throw new Error(`left open: ${leaks.join(", ")}`);
    },
  };
}
