import manifest from "../../package.json" with { type: "json" };
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData } from "./output.ts";

export const version: Command = {
  name: "version",
  summary: "print the version",
  options: [outputOption("table")],
  examples: [{ line: "outrigger version", about: "prints the version of this program" }],
  async run(world, input) {
    const value = { name: manifest.name, version: manifest.version };
    const format = input.text("output") ?? "table";
    if (format === "table") world.stdio.stdout.write(`${value.name} ${value.version}\n`);
    else await printData(world, format, value);
    return 0;
  },
};
