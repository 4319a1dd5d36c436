import { basename, dirname } from "node:path";

import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { Command, Input } from "./command.ts";

export const init: Command = {
  name: "init",
  summary: "write a first file from a command and a port, or a pipeline for a CI service",
  arguments: [
    {
      name: "file",
      about: "where to write it, or - for standard output (app.yaml); with --ci what it deploys",
      many: true,
    },
  ],
  options: [
    {
      long: "command",
      value: "COMMAND",
      about: 'how the app is started, for example "node server.js"',
    },
    { long: "port", value: "PORT", about: "where the app listens today" },
    { long: "name", value: "NAME", about: "what to call it; this folder's name without it" },
    { long: "ci", value: "SERVICE", about: "github or gitlab: checks, renders, diffs and applies" },
    { long: "target", value: "NAME", about: "of render, with --ci; kubernetes by default" },
    { long: "image", value: "IMAGE", about: "of Outrigger, with --ci" },
  ],
  examples: [
    {
      line: 'outrigger init --command "node server.js" --port 3000',
      about: "writes app.yaml; outrigger up app.yaml then runs the app behind a sidecar",
    },
    {
      line: "outrigger init --ci github shop.yaml",
      about: "writes .github/workflows/outrigger.yml",
    },
  ],
  async run(world, input) {
    if (input.text("ci") !== null) return initCi(world, input);
    const { firstFile } = await import("../api/first_file.ts");
    const command = input.required("command");
    input.required("port");
    const port = input.number("port", { min: 1, max: 65_535 }) ?? 0;
    const name = input.text("name") ?? basename(world.processes.self.folder);
    const text = firstFile({ name, command, port });
    const [file = "app.yaml", more] = input.words;
    if (more !== undefined) {
      throw new Failure("usage", `one file is written, and ${input.words.length} are named`);
    }
    if (file === "-") world.stdio.stdout.write(text);
    else writeNew(world, file, text, `run it: outrigger up ${file}`);
    return 0;
  },
};

async function initCi(world: World, input: Input): Promise<number> {
  const { CI_SERVICES, ciPipeline } = await import("../render/ci_pipeline.ts");
  const { DEFAULT_IMAGE, targetOf } = await import("./rendered_objects.ts");
  const { loadFiles } = await import("../local/load_set.ts");
  const wanted = input.required("ci");
  const service = CI_SERVICES.find((one) => one === wanted);
  if (service === undefined) {
    throw new Failure("usage", `--ci is "${wanted}"`, `known are ${CI_SERVICES.join(", ")}`);
  }
  const files = input.files();
  const { apps } = await loadFiles(world, files);
  const { path, text } = ciPipeline(service, {
    files,
    target: (await targetOf(input)).name,
    image: input.text("image") ?? DEFAULT_IMAGE,
    namespaces: [...new Set(apps.map(({ namespace }) => namespace))].sort(),
  });
  writeNew(world, path, text, "it needs a secret KUBECONFIG_DATA; read it before you commit it");
  return 0;
}

/** @throws Failure `usage` where it is there already */
function writeNew(world: World, file: string, text: string, then: string): void {
  if (world.files.stat(file) !== null) {
    const advice = "name another file, or remove it first";
    throw new Failure("usage", `${file} is there already`, advice);
  }
  if (dirname(file) !== ".") world.files.makeFolder(dirname(file));
  world.files.write(file, text);
  world.stdio.stderr.write(`wrote ${file}; ${then}\n`);
}
