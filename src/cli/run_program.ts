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
  // A command below another one: `pipeline ledger`.
  const both = `${first} ${args[1] ?? ""}`;
  const name = Object.hasOwn(COMMANDS, both) ? both : first;
  const loadOne = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (loadOne !== undefined) {
    const command = await loadOne();
    const rest = args.slice(name.split(" ").length);
    const input = command.lean === true ? quickParse(command, rest) : null;
    if (input !== null) return command.run(world, input);
  }
  // For its help and its mistakes, a command needs those below it.
  const wanted = Object.keys(COMMANDS).filter((one) => one === name || one.startsWith(`${name} `));
  const commands =
    loadOne === undefined
      ? await allCommands()
      : await Promise.all(wanted.map((one) => COMMANDS[one]!()));
  const { parseArguments } = await import("./program.ts");
  const words = first === "version" ? ["version", ...args.slice(1)] : args;
  const parsed = parseArguments(commands, words);
  if (parsed.kind === "run") return parsed.command.run(world, parsed.input);
  world.stdio.stdout.write(parsed.text);
  return 0;
}
