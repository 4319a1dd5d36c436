import { Argument, Command as Parser, CommanderError, Option } from "commander";

import { Failure } from "../base/failure.ts";
import type { Command } from "./command.ts";
import { Input } from "./command.ts";

/** What the arguments ask for: to run a command, or text to print (help). */
export type Parsed =
  | { readonly kind: "run"; readonly command: Command; readonly input: Input }
  | { readonly kind: "text"; readonly text: string };

/** @throws Failure "usage" */
export function parseArguments(commands: readonly Command[], args: readonly string[]): Parsed {
  let parsed: Parsed | null = null;
  let text = "";
  const program = new Parser("outrigger");
  program
    .description("Makes any app production-ready without touching its code.")
    .exitOverride()
    .configureOutput({
      writeOut: (part) => (text += part),
      writeErr: (part) => (text += part),
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    })
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .helpCommand("help [command]", "show what a command takes, with an example")
    .addHelpText("after", "\nStart with: outrigger init, then outrigger up shop.yaml");
  const parsers = new Map<string, Parser>();
  for (const command of commands) {
    const parser = parserOf(command, program, (input) => (parsed = { kind: "run", command, input }));
    parsers.set(command.name, parser);
    const [parent, below] = command.name.split(" ");
    if (below === undefined) program.addCommand(parser);
    else parentOf(parsers, program, parent!).addCommand(parser);
  }
  if (args.length === 0) return { kind: "text", text: program.helpInformation() };
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw usageFailure(error, args, commands);
  }
  return parsed ?? { kind: "text", text };
}

/** A command with others below it; alone where only one of those was loaded. */
function parentOf(parsers: Map<string, Parser>, program: Parser, name: string): Parser {
  const known = parsers.get(name);
  if (known !== undefined) return known;
  const parent = new Parser(name).copyInheritedSettings(program);
  parsers.set(name, parent);
  program.addCommand(parent);
  return parent;
}

function parserOf(command: Command, program: Parser, chosen: (input: Input) => void): Parser {
  const parser = new Parser(command.name.split(" ").at(-1));
  parser.description(command.summary).copyInheritedSettings(program);
  for (const definition of command.arguments ?? []) {
    const name = `${definition.name}${definition.many === true ? "..." : ""}`;
    const written = definition.required === true ? `<${name}>` : `[${name}]`;
    const argument = new Argument(written, definition.about);
    if (definition.choices !== undefined) argument.choices(definition.choices);
    parser.addArgument(argument);
  }
  const byLong = new Map<string, Option>();
  for (const definition of command.options ?? []) {
    const short = definition.short === undefined ? "" : `-${definition.short}, `;
    const value = definition.value === undefined ? "" : ` <${definition.value}>`;
    const option = new Option(`${short}--${definition.long}${value}`, definition.about);
    if (definition.default !== undefined) option.default(definition.default);
    if (definition.choices !== undefined) option.choices(definition.choices);
    if (definition.many === true) {
      option.argParser<string[]>((text, before) => [...(before ?? []), text]);
    }
    if (definition.hidden === true) option.hideHelp();
    parser.addOption(option);
    byLong.set(definition.long, option);
  }
  const examples = command.examples.map(({ line, about }) => `  ${line}\n      ${about}`);
  parser.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  parser.allowExcessArguments(false);
  parser.action(() => {
    const values = parser.opts<Record<string, unknown>>();
    const options = new Map<string, string | boolean | readonly string[]>();
    for (const [long, option] of byLong) {
      const value = values[option.attributeName()];
      if (typeof value === "string" || typeof value === "boolean") options.set(long, value);
      if (Array.isArray(value)) options.set(long, value.map(String));
    }
    chosen(new Input(parser.args, options));
  });
  return parser;
}

function usageFailure(
  error: CommanderError,
  args: readonly string[],
  commands: readonly Command[],
): Failure {
  const [what = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const both = args.slice(0, 2).join(" ");
  const command =
    commands.find(({ name }) => name === both) ?? commands.find(({ name }) => name === args[0]);
  const verb = command === undefined ? "" : `${command.name} `;
  const help = `outrigger ${verb}--help shows what it takes`;
  const suggestion = rest.join(" ").replace(/^\((.*)\)$/, "$1").trim();
  return new Failure("usage", what, suggestion === "" ? help : `${suggestion} ${help}`);
}
