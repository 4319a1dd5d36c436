import { expect, test } from "bun:test";
import { simulateProxy } from "./proxy_simulation.ts";
import { PLAIN_SEEDS, PROXY_SEEDS } from "./seeds.ts";

/** SIM_SEED, SIM_RUNS (make sim): so many seeds from there on; without them the fixed ones. */
const { SIM_SEED, SIM_RUNS } = process.env;
const first = Number(SIM_SEED ?? 0);
const seeds =
  SIM_SEED === undefined
    ? PROXY_SEEDS
    : Array.from({ length: Number(SIM_RUNS ?? 1) }, (_, index) => first + index);

test("S4-54 (data plane) every request ends once, whole or broken off, whatever the network does", async () => {
  for (const seed of seeds) {
    const problems = await simulateProxy(seed).catch((error: unknown) => [
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    ]);
    const replay = `seed ${seed} failed; replay it with: make sim SEED=${seed}`;
    expect(problems, replay).toEqual([]);
  }
});

test("seeds that failed before later policies were drawn hold without those", async () => {
  for (const seed of PLAIN_SEEDS) {
    expect(await simulateProxy(seed, { plain: true }), `seed ${seed}, plain`).toEqual([]);
  }
});

test("the same seed is the same run", async () => {
  const runs: string[] = [];
  for (let run = 0; run < 2; run++) {
    const hash = new Bun.CryptoHasher("sha256");
    await simulateProxy(PROXY_SEEDS[0]!, { trace: (line) => hash.update(`${line}\n`) });
    runs.push(hash.digest("hex"));
  }
  expect(runs[0]).toBe(runs[1]!);
});
