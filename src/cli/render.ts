import { join } from "node:path";

import { Failure } from "../base/failure.ts";
import type { Command } from "./command.ts";
import { FILE_OPTION, FILES_ARGUMENT } from "./command.ts";

export const render: Command = {
  name: "render",
  summary: "write files for other programs from these: rules, their tests, configuration",
  arguments: [FILES_ARGUMENT],
  options: [
    FILE_OPTION,
    {
      long: "format",
      value: "NAME",
      about: "which one: prometheus-rules, prometheus-tests, prometheus-config",
    },
    { long: "dir", value: "DIR", about: "write every format there, each under its own name" },
  ],
  examples: [
    {
      line: "outrigger render shop.yaml --format prometheus-rules",
      about: "recording and alerting rules from what the files declare",
    },
    { line: "outrigger render shop.yaml --dir monitoring", about: "all files that there are" },
  ],
  async run(world, input) {
    const { GENERATORS } = await import("../render/mod.ts");
    const { loadInPlace } = await import("../local/place.ts");
    const format = input.text("format");
    const dir = input.text("dir");
    const names = GENERATORS.map(({ name }) => name);
    const chosen = GENERATORS.filter(({ name }) => format === null || name === format);
    if (chosen.length === 0) {
      throw new Failure("usage", `there is no format ${format}`, `known are ${names.join(", ")}`);
    }
    if (format === null && dir === null) {
      const advice = `--format ${names.join("|")}, or --dir DIR for all`;
      throw new Failure("usage", "which format?", advice);
    }
    const { documents, snapshots } = await loadInPlace(world, input.files());
    for (const generator of chosen) {
      const text = generator.render({ documents, snapshots });
      if (dir === null) {
        world.stdio.stdout.write(text);
        continue;
      }
      world.files.makeFolder(dir);
      const path = join(dir, generator.fileName);
      world.files.replace(path, text);
      world.stdio.stderr.write(`wrote ${path}\n`);
    }
    return 0;
  },
};
