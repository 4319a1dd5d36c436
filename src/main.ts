/** The program's entry: the only place that makes the real World. */
import { createBunWorld } from "./base/bun/mod.ts";
import { describeFailure, failureOf } from "./cli/errors.ts";
import { runProgram } from "./cli/run_program.ts";

const world = createBunWorld();
const { self } = world.processes;

self.onUncaught((error) => {
  const failure = failureOf(error);
  world.stdio.stderr.write(describeFailure(world, failure));
  self.exit(failure.exitCode);
});

void runProgram(world, self.args).then((code) => self.exit(code));
