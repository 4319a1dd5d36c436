import { expect, test } from "bun:test";
import { EXIT_CODES } from "../base/failure.ts";
import { allCommands, COMMANDS } from "./mod.ts";
import { machine, outrigger } from "./testdata/machine.ts";

test("S2-3 help lists each command with one line, and the help of each one runs", async () => {
  const world = machine();
  const all = await outrigger(world);
  expect(all.code).toBe(0);
  expect((await outrigger(world, "--help")).out).toContain("Commands:");
  for (const command of await allCommands()) {
    const words = command.name.split(" ");
    // A command below another one stands in that one's help.
    const [parent, below] = words;
    const list = below === undefined ? all.out : (await outrigger(world, parent!, "--help")).out;
    const lines = list.split("\n").filter((line) => line.startsWith(`  ${words.at(-1)} `));
    expect(lines.length, command.name).toBe(1);
    expect(lines[0]).toEndWith(command.summary);
    const { code, out, err } = await outrigger(world, ...words, "--help");
    expect([command.name, code, err]).toEqual([command.name, 0, ""]);
    expect(out).toContain(command.summary);
    expect(out).toContain("Examples:");
    expect(out).toContain(command.examples[0].line);
    expect((await outrigger(world, "help", parent!)).out).toContain(command.summary);
  }
});

test("the list names each command as the command names itself", async () => {
  const names = (await allCommands()).map(({ name }) => name);
  expect(names).toEqual(Object.keys(COMMANDS));
});

test("an unknown command or option says what was meant, with status 2", async () => {
  const world = machine();
  const command = await outrigger(world, "chek", "shop.yaml");
  expect([command.code, command.out]).toEqual([EXIT_CODES.usage, ""]);
  expect(command.err).toStartWith("error: unknown command 'chek'\n");
  expect(command.err).toContain("Did you mean check?");
  const option = await outrigger(world, "check", "--outptu", "json");
  expect(option.code).toBe(2);
  expect(option.err).toContain("Did you mean --output?");
  expect(option.err).toContain("outrigger check --help");
});

test("errors are coloured on a terminal only, and not with NO_COLOR", async () => {
  const world = machine();
  world.stdio.stderr.isTerminal = true;
  expect((await outrigger(world, "nope")).err).toContain("\x1b[31merror:\x1b[0m");
  world.processes.self.env["NO_COLOR"] = "1";
  expect((await outrigger(world, "nope")).err).toStartWith("error: unknown command");
});

test("what was thrown decides the exit code", async () => {
  const world = machine({ "/home/app/held.json": "{}" });
  expect((await outrigger(world, "check", "missing.yaml")).code).toBe(3);
  world.files.fault = (_doing, path) => (path.endsWith("held.json") ? "EACCES" : null);
  expect((await outrigger(world, "proxy", "--snapshot", "held.json")).code).toBe(8);
  world.files.fault = (_doing, path) => (path.endsWith("held.json") ? "ENOSPC" : null);
  expect((await outrigger(world, "proxy", "--snapshot", "held.json")).code).toBe(7);
});

test("files as arguments and files by -f are the same", async () => {
  const world = machine();
  for (const args of [["missing.yaml"], ["-f", "missing.yaml"], ["--file=missing.yaml"]]) {
    const { err } = await outrigger(world, "check", ...args);
    expect(err).toContain("missing.yaml: there is no such");
  }
  expect((await outrigger(world, "check")).err).toContain("no file was given");
});
