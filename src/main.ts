/** The program's entry: with that of its threads the only place that makes the real World. */
import { createBunWorld } from "./base/bun/mod.ts";
import { describeFailure, failureOf } from "./cli/errors.ts";
import { runProgram } from "./cli/run_program.ts";

const threadEntry = new URL("./thread_main.ts", import.meta.url).href;
const world = createBunWorld({ threadEntry });
const { self } = world.processes;

self.onUncaught((error) => {
  const failure = failureOf(error);
  world.stdio.stderr.write(describeFailure(world, failure));
  self.exit(failure.exitCode);
});

void runProgram(world, self.args).then((code) => self.exit(code));
