/**
 * Runs what `*.fuzz.ts` files export: `fuzz(seed, deadlineMs)` feeds generated input to code that
 * reads foreign bytes until `Date.now()` has passed the deadline, and throws where an invariant
 * breaks.
 *
 *   bun tools/fuzz.ts [--time SECONDS | --share SECONDS] [--seed N] [--only PART_OF_A_PATH]
 *
 * Each target runs for `--time`; with `--share` they all together do.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

export interface FuzzModule {
  fuzz(seed: number, deadlineMs: number): void | Promise<void>;
}

const ROOT = join(import.meta.dir, "..");

const { values } = parseArgs({
  options: {
    time: { type: "string", default: "60" },
    share: { type: "string" },
    seed: { type: "string" },
    only: { type: "string", default: "" },
  },
});
const share = values.share === undefined ? null : Number(values.share);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(Number(values.time) > 0) || (share !== null && !(share > 0)) || !Number.isSafeInteger(seed)) {
  console.error(`fuzz: --time ${values.time}, --share and --seed ${values.seed} must be numbers`);
  process.exit(2);
}

const files = [...new Bun.Glob("{src,tools}/**/*.fuzz.ts").scanSync({ cwd: ROOT })]
  .filter((file) => file.includes(values.only))
  .sort();
if (files.length === 0) {
  console.error(`fuzz: no *.fuzz.ts below src/ or tools/ has "${values.only}" in its path`);
  process.exit(2);
}

const seconds = share === null ? Number(values.time) : Math.max(1, share / files.length);
let failed = 0;
for (const file of files) {
  console.log(`fuzz: ${file}, seed ${seed}, ${seconds.toFixed(0)} s`);
  try {
    const { fuzz } = (await import(resolve(ROOT, file))) as FuzzModule;
    await fuzz(seed, Date.now() + seconds * 1000);
  } catch (error) {
    failed++;
    console.log(error);
    console.log(`fuzz: ${file} failed; again: make fuzz ONLY=${file} SEED=${seed} TIME=${seconds}`);
  }
}
console.log(`${files.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
