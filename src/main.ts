/** The program's entry: with that of its threads the only place that makes the real World. */
import { createBunWorld } from "./base/bun/mod.ts";
import { beProcessOne } from "./base/bun/process_one.ts";
import { describeFailure, failureOf } from "./cli/errors.ts";
import { runProgram } from "./cli/run_program.ts";

const threadEntry = new URL("./thread_main.ts", import.meta.url).href;
const world = createBunWorld({ threadEntry });
const { self } = world.processes;

// A process 1 is given the orphans of the container, and no signal that it has not asked for.
if (self.pid === 1) beProcessOne(world);

self.onUncaught((error) => {
  const failure = failureOf(error);
  world.stdio.stderr.write(describeFailure(world, failure));
  self.exit(failure.exitCode);
});

void runProgram(world, self.args).then((code) => self.exit(code));
