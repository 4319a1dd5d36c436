import { resolve } from "node:path";

import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { ProcessPlan } from "./supervised_process.ts";

/**
 * Looks for each command before anything is started: a file with a wrong one changes nothing.
 *
 * @throws Failure "input-not-found" where the folder is missing, "command-not-found".
 */
export function requireCommands(world: World, plans: readonly ProcessPlan[]): void {
  for (const plan of plans) {
    if (plan.role === "app") requireCommand(world, plan);
  }
}

function requireCommand(world: World, plan: ProcessPlan): void {
  const { command, folder, env, workload } = plan;
  if (world.files.stat(folder)?.kind !== "folder") {
    throw new Failure(
      "input-not-found",
      `App ${workload} is to run in ${folder}, which is no folder`,
      "run.dir is looked up from the folder of the App's file",
    );
  }
  const [program = ""] = command;
  const isFile = (path: string) => world.files.stat(path)?.kind === "file";
  if (program.includes("/")) {
    const path = resolve(folder, program);
    if (isFile(path)) return;
    throw new Failure("command-not-found", `App ${workload}: there is no program ${path}`);
  }
  const folders = (env["PATH"] ?? "").split(":").filter((one) => one !== "");
  if (folders.some((one) => isFile(resolve(one, program)))) return;
  throw new Failure(
    "command-not-found",
    `App ${workload}: there is no program "${program}" in PATH`,
    `install it, or name it with its path in run.command (PATH is ${folders.join(":")})`,
  );
}
