import { FileError, type World } from "../base/world.ts";
import { describeFailure, failureOf } from "./errors.ts";
import { allCommands, COMMANDS } from "./mod.ts";
import { quickParse } from "./quick_parse.ts";

/**
 * From arguments to an exit code: the only place where an error becomes text. Data goes to standard
 * output, everything else to standard error.
 */
export async function runProgram(world: World, args: readonly string[]): Promise<number> {
  try {
    return await dispatch(world, args);
  } catch (error) {
    // Whoever reads our output has seen enough, as `head` does.
    if (error instanceof FileError && error.code === "closed") return 0;
    const failure = failureOf(error);
    world.stdio.stderr.write(describeFailure(world, failure));
    return failure.exitCode;
  }
}

async function dispatch(world: World, args: readonly string[]): Promise<number> {
  const first = args[0] === "--version" ? "version" : (args[0] ?? "");
  const loadOne = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  if (loadOne !== undefined) {
    const command = await loadOne();
    const input = command.lean === true ? quickParse(command, args.slice(1)) : null;
    if (input !== null) return command.run(world, input);
  }
  const commands = loadOne === undefined ? await allCommands() : [await loadOne()];
  const { parseArguments } = await import("./program.ts");
  const words = first === "version" ? ["version", ...args.slice(1)] : args;
  const parsed = parseArguments(commands, words);
  if (parsed.kind === "run") return parsed.command.run(world, parsed.input);
  world.stdio.stdout.write(parsed.text);
  return 0;
}
