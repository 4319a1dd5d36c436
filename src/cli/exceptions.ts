import type { Command } from "./command.ts";
import { FILE_OPTION, FILES_ARGUMENT, outputOption } from "./command.ts";
import { printData } from "./output.ts";

export const exceptions: Command = {
  name: "exceptions",
  summary: "list where files loosen the default security or change objects",
  arguments: [FILES_ARGUMENT],
  options: [FILE_OPTION, outputOption("table")],
  examples: [
    { line: "outrigger exceptions shop.yaml", about: "each with its line, overrides with their reason" },
    { line: "outrigger exceptions deploy/ -o json", about: "as data, of all files of a folder" },
  ],
  async run(world, input) {
    const { loadFiles } = await import("../local/load_set.ts");
    const { exceptionsOf } = await import("../render/kubernetes/exceptions.ts");
    const { apps } = await loadFiles(world, input.files());
    const found = exceptionsOf(apps).map(({ app, kind, what, reason, origin }) => {
      return { app, kind, what, reason, asked: `${origin.file}:${origin.line}`, field: origin.field };
    });
    await printData(world, input.text("output") ?? "table", found, () => ({
      columns: ["app", "kind", "what", "why", "asked for by"],
      rows: found.map(({ app, kind, what, reason, asked, field }) => [
        ...[app, kind, what, reason ?? "-", `${asked} ${field}`],
      ]),
    }));
    return 0;
  },
};
