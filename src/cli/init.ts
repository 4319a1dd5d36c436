import { basename } from "node:path";

import { Failure } from "../base/failure.ts";
import type { Command } from "./command.ts";

export const init: Command = {
  name: "init",
  summary: "write a first file from a command and a port",
  arguments: [{ name: "file", about: "where to write it, or - for standard output (app.yaml)" }],
  options: [
    {
      long: "command",
      value: "COMMAND",
      about: 'how the app is started, for example "node server.js"',
    },
    { long: "port", value: "PORT", about: "where the app listens today" },
    { long: "name", value: "NAME", about: "what to call it; this folder's name without it" },
  ],
  examples: [
    {
      line: 'outrigger init --command "node server.js" --port 3000',
      about: "writes app.yaml; outrigger up app.yaml then runs the app behind a sidecar",
    },
  ],
  async run(world, input) {
    const { firstFile } = await import("../api/first_file.ts");
    const command = input.required("command");
    input.required("port");
    const port = input.number("port", { min: 1, max: 65_535 }) ?? 0;
    const name = input.text("name") ?? basename(world.processes.self.folder);
    const text = firstFile({ name, command, port });
    const file = input.words[0] ?? "app.yaml";
    if (file === "-") {
      world.stdio.stdout.write(text);
      return 0;
    }
    if (world.files.stat(file) !== null) {
      const advice = "name another file, or remove it first";
      throw new Failure("usage", `${file} is there already`, advice);
    }
    world.files.write(file, text);
    world.stdio.stderr.write(`wrote ${file}; run it: outrigger up ${file}\n`);
    return 0;
  },
};
