/**
 * Runs the suites of src/sim with a fresh seed, or with a given one to replay a failure. They read
 * SIM_SEED (the first seed) and SIM_RUNS (how many seeds from there on each suite tries).
 *
 *   bun tools/sim.ts [--seed N] [--runs N]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { seed: { type: "string" }, runs: { type: "string" } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
// A seed that was asked for is one to replay.
const runs = Number(values.runs ?? (values.seed === undefined ? 200 : 1));
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(runs) || runs < 1) {
  console.error(`sim: --seed ${values.seed} and --runs ${values.runs} must be whole numbers`);
  process.exit(2);
}

const root = join(import.meta.dir, "..");
const files = [...new Bun.Glob("src/sim/**/*.test.ts").scanSync({ cwd: root })].sort();
if (files.length === 0) {
  console.error("sim: there is no suite in src/sim");
  process.exit(1);
}
console.error(`sim: seeds ${seed} to ${seed + runs - 1}, ${files.length} suites`);
const child = Bun.spawn(
  [process.execPath, "test", "--timeout", "3600000", ...files.map((file) => `./${file}`)],
  {
    cwd: root,
    env: { ...process.env, SIM_SEED: String(seed), SIM_RUNS: String(runs) },
    stdio: ["ignore", "inherit", "inherit"],
  },
);
const status = await child.exited;
if (status !== 0) {
  console.error(
    `sim: failed; a failure names its own seed: make sim SEED=n. ` +
      `This run: make sim SEED=${seed} RUNS=${runs}`,
  );
}
process.exit(status);
