import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData } from "./output.ts";

export const diff: Command = {
  name: "diff",
  summary: "show what a change of files changes in each sidecar",
  arguments: [
    { name: "before", about: "a file or a folder", required: true },
    { name: "after", about: "a file or a folder", required: true },
  ],
  options: [outputOption("text", ["text", "json", "yaml"])],
  examples: [
    { line: "outrigger diff v2.yaml v3.yaml", about: "status 1 where there is a difference" },
  ],
  async run(world, input) {
    const { diffSnapshots, diffText } = await import("../compile/diff.ts");
    const { loadFiles, placeDocuments } = await import("../local/load_set.ts");
    const { placeOf } = await import("../local/place.ts");
    const [before = "", after = ""] = input.words;
    // One place for both: only what the files say may differ.
    const place = placeOf(world, [before]);
    const old = placeDocuments(world, await loadFiles(world, [before]), place);
    const now = placeDocuments(world, await loadFiles(world, [after]), {
      ...place,
      before: old.ports,
    });
    const difference = diffSnapshots(old.snapshots, now.snapshots);
    const format = input.text("output") ?? "text";
    if (format === "text") world.stdio.stdout.write(diffText(difference));
    else await printData(world, format, difference);
    return difference.same ? 0 : 1;
  },
};
