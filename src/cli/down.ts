import type { Command } from "./command.ts";
import { FILE_OPTION, FILES_ARGUMENT } from "./command.ts";
import { Failure } from "../base/failure.ts";

export const down: Command = {
  name: "down",
  summary: "stop what up started, and wait until nothing of it runs",
  arguments: [
    { ...FILES_ARGUMENT, about: "the files that up was given; the only set without them" },
  ],
  options: [
    FILE_OPTION,
    { long: "name", value: "NAME", about: "the set's name, as status prints it" },
    { long: "purge", about: "remove its logs, ports and checkpoints too" },
  ],
  examples: [
    { line: "outrigger down", about: "stops what runs; also what a killed up left behind" },
    { line: "outrigger down --purge shop.yaml", about: "and removes its folder of state" },
  ],
  async run(world, input) {
    const { purge, runDown } = await import("../local/down.ts");
    const files = [...input.words, ...input.list("file")];
    const options = { name: input.text("name"), files };
    const talk = (text: string) => world.stdio.stderr.write(`${text}\n`);
    let stopped = false;
    try {
      const result = await runDown(world, options);
      stopped = true;
      const left = result.leftovers === 0 ? "" : `; ${result.leftovers} processes were left behind`;
      talk(`${result.name} is down${result.wasUp ? "" : ": its up had been killed"}${left}`);
    } catch (error) {
      const nothing = error instanceof Failure && error.kind === "not-running";
      if (!nothing || !input.flag("purge")) throw error;
    }
    if (input.flag("purge")) {
      const removed = await purge(world, options);
      if (removed.length > 0) talk(`removed the state of ${removed.join(", ")}`);
      else if (!stopped) throw new Failure("not-running", "there is nothing to stop or to remove");
    }
    return 0;
  },
};
