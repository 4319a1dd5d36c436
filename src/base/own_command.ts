import type { World } from "./world.ts";

/** This program, as a child is to be started: from source with the smaller heap. */
export function ownCommand(world: World): readonly string[] {
  const [program = "", ...rest] = world.processes.self.command;
  // The compiled binary has `--smol` built in.
  return rest.length === 0 ? [program] : [program, "--smol", ...rest];
}
