import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { Command, Input } from "./command.ts";
import { FILE_OPTION, outputOption } from "./command.ts";
import { printData } from "./output.ts";
import { renderedObjects, RENDER_OPTIONS } from "./rendered_objects.ts";

export const explain: Command = {
  name: "explain",
  summary: "show which line asked for each part of a sidecar, or what a field means",
  arguments: [
    { name: "what", about: "app/NAME, KIND/NAME as rendered, or field", required: true },
    { name: "more", about: "the files of the app, or the field's path", many: true },
  ],
  options: [FILE_OPTION, outputOption("text", ["text", "json", "yaml"]), ...RENDER_OPTIONS],
  examples: [
    { line: "outrigger explain app/frontend shop.yaml", about: "every value with its line" },
    {
      line: "outrigger explain deployment/frontend shop.yaml",
      about: "every value of a rendered object, with its line or its reason",
    },
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
    if (/^[a-z]+\/./.test(what) && !what.startsWith("app/")) {
      return explainRendered(world, input, what, format);
    }
    const app = /^app\/(.+)$/.exec(what)?.[1];
    if (app === undefined) {
      throw new Failure(
        "usage",
        `"${what}" cannot be explained`,
        "name app/NAME or KIND/NAME with the files, or field with its path",
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

async function explainRendered(
  world: World,
  input: Input,
  what: string,
  format: string,
): Promise<number> {
  const { explainObject, explainObjectText, objectKey } = await import("../render/kubernetes/mod.ts");
  const objects = await renderedObjects(world, input, input.files(1));
  const found = objects.filter((one) => objectKey(one) === what);
  if (found.length === 0) {
    const known = objects.map(objectKey).join(", ");
    throw new Failure("usage", `nothing rendered is ${what}`, `there are: ${known}`);
  }
  for (const object of found) {
    if (format === "text") world.stdio.stdout.write(explainObjectText(object));
    else await printData(world, format, explainObject(object));
  }
  return 0;
}
