import { Failure } from "../base/failure.ts";
import type { Command } from "./command.ts";
import { FILE_OPTION, outputOption } from "./command.ts";
import { printData } from "./output.ts";

export const explain: Command = {
  name: "explain",
  summary: "show which line asked for each part of a sidecar, or what a field means",
  arguments: [
    { name: "what", about: "app/NAME, or field", required: true },
    { name: "more", about: "the files of the app, or the field's path", many: true },
  ],
  options: [FILE_OPTION, outputOption("text", ["text", "json", "yaml"])],
  examples: [
    { line: "outrigger explain app/frontend shop.yaml", about: "every value with its line" },
    { line: "outrigger explain field app.calls.breaker", about: "what may stand there" },
  ],
  async run(world, input) {
    const format = input.text("output") ?? "text";
    const [what = ""] = input.words;
    if (what === "field") {
      const { explainField } = await import("../api/explain_field.ts");
      const { pipelineComponents } = await import("../pipeline/components.ts");
      const path = input.words.slice(1).join(".");
      if (path === "") {
        const advice = "for example: outrigger explain field app.calls";
        throw new Failure("usage", "which field?", advice);
      }
      world.stdio.stdout.write(explainField(path, pipelineComponents));
      return 0;
    }
    const app = /^app\/(.+)$/.exec(what)?.[1];
    if (app === undefined) {
      throw new Failure(
        "usage",
        `"${what}" cannot be explained`,
        "name app/NAME with its files, or field with its path",
      );
    }
    const { explain: explainParts, explainText } = await import("../compile/explain.ts");
    const { loadInPlace } = await import("../local/place.ts");
    const { snapshotOf } = await import("./compile.ts");
    const { snapshots } = await loadInPlace(world, input.files(1));
    const snapshot = snapshotOf(snapshots, app);
    if (format === "text") world.stdio.stdout.write(explainText(snapshot));
    else await printData(world, format, explainParts(snapshot));
    return 0;
  },
};
