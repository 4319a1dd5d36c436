/**
 * A program for tests: follows the file `argv[2]` with its state in `argv[3]`, and writes each line
 * as JSON to standard output, until SIGTERM.
 */
import { createBunWorld } from "../../base/bun/mod.ts";
import { PipelineRunner } from "../runner.ts";

const world = createBunWorld();
const [include, stateFolder] = process.argv.slice(2) as [string, string];
const intervals = { checkpointInterval: "50ms", pollInterval: "50ms" };
const policy = {
  sources: { app: { component: "file", config: intervals } },
  steps: [{ component: "parse", config: { regex: "^(?<n>\\d+) (?<message>.*)$" } }],
  sinks: { out: { component: "stdout", config: {} } },
};
const binding = { sources: { app: { include: [include] } }, sinks: {} };
const runner = new PipelineRunner(world, "test", policy, binding, stateFolder, {
  report: (line) => world.stdio.stderr.write(`${line}\n`),
});
runner.start();
world.signals.on("SIGTERM", () => {
  void runner.stop().then(() => {
    world.stdio.stderr.write(`${JSON.stringify(runner.ledger())}\n`);
    process.exit(0);
  });
});
