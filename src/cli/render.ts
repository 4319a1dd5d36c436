import { dirname, join } from "node:path";

import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { Command, Input } from "./command.ts";
import { FILE_OPTION, FILES_ARGUMENT } from "./command.ts";
import { renderedObjects, RENDER_OPTIONS, targetOf } from "./rendered_objects.ts";

/** All of Prometheus' files at once. */
const ALL_PROMETHEUS = "prometheus";
const HELM = "helm";

export const render: Command = {
  name: "render",
  summary: "write the objects for Kubernetes, or the files for Prometheus",
  arguments: [FILES_ARGUMENT],
  options: [
    FILE_OPTION,
    {
      long: "format",
      value: "NAME",
      about:
        "manifests (the default), kustomize, helm, prometheus-rules, prometheus-tests, " +
        "prometheus-config, or prometheus for these three",
    },
    ...RENDER_OPTIONS,
    { long: "out", value: "DIR", about: "write files there; what an earlier run left is removed" },
    { long: "package", value: "PATH", about: "helm: a .tgz for a registry, or a folder for them" },
    { long: "per-app", about: "helm: a chart an App, and one for what they share" },
    {
      long: "chart",
      value: "NAME:VERSION",
      about: "helm: by default the name of the App or of the namespace, and 0.1.0",
    },
  ],
  examples: [
    {
      line: "outrigger render shop.yaml --target openshift | kubectl apply -f -",
      about: "the whole set, one stream of objects",
    },
    { line: "outrigger render shop.yaml --out deploy", about: "one file an object" },
    {
      line: "outrigger render shop.yaml --format helm --package shop.tgz --chart shop:1.4.0",
      about: "a Helm chart, as helm install and helm push take it",
    },
    {
      line: "outrigger render shop.yaml --format prometheus-rules",
      about: "recording and alerting rules from what the files declare",
    },
  ],
  async run(world, input) {
    const { GENERATORS } = await import("../render/mod.ts");
    const { filesOf, FORMATS, manifestText } = await import("../render/kubernetes/mod.ts");
    const format = input.text("format") ?? "manifests";
    const out = input.text("out");
    if (format === HELM) {
      await renderCharts(world, input, out);
      return 0;
    }
    const kubernetes = FORMATS.find((one) => one === format);
    if (kubernetes !== undefined) {
      const objects = await renderedObjects(world, input, input.files());
      if (out !== null) writeFolder(world, out, filesOf(objects, kubernetes));
      else if (kubernetes === "manifests") {
        // One at a time: the whole text of a large set would be in memory twice.
        for (const object of objects) world.stdio.stdout.write(manifestText([object]));
      }
      else throw new Failure("usage", `${format} is a folder`, "add --out DIR");
      return 0;
    }
    const chosen = GENERATORS.filter(({ name }) => name === format || format === ALL_PROMETHEUS);
    if (chosen.length === 0) {
      const prometheus = [...GENERATORS.map(({ name }) => name), ALL_PROMETHEUS];
      const known = [...FORMATS, HELM, ...prometheus].join(", ");
      throw new Failure("usage", `there is no format ${format}`, `known are ${known}`);
    }
    if (chosen.length > 1 && out === null) {
      throw new Failure("usage", `${format} is several files`, "add --out DIR");
    }
    await renderPrometheus(world, input, chosen, out);
    return 0;
  },
};

type Generators = readonly import("../render/generator.ts").Generator[];

async function renderPrometheus(
  world: World,
  input: Input,
  chosen: Generators,
  out: string | null,
): Promise<void> {
  const { loadInPlace } = await import("../local/place.ts");
  const { documents, snapshots } = await loadInPlace(world, input.files());
  for (const generator of chosen) {
    const text = generator.render({ documents, snapshots });
    if (out === null) world.stdio.stdout.write(text);
    else write(world, join(out, generator.fileName), text);
  }
}

async function renderCharts(world: World, input: Input, out: string | null): Promise<void> {
  const { chartPackage, charts } = await import("../render/helm/mod.ts");
  const target = await targetOf(input);
  const { name, version } = chartNameOf(input.text("chart"));
  const perApp = input.flag("per-app");
  const packed = input.text("package");
  if (out === null && packed === null) {
    const advice = "add --out DIR or --package PATH";
    throw new Failure("usage", "a chart is a folder or a package", advice);
  }
  if (perApp && packed?.endsWith(".tgz")) {
    const message = `--per-app makes several charts, and ${packed} is one file`;
    throw new Failure("usage", message, "name a folder");
  }
  const objects = await renderedObjects(world, input, input.files());
  const options = { name, version, perApp, minor: target.minor, target: target.name };
  const all = charts(objects, options);
  if (out !== null) {
    const inFolder = (chart: string, path: string): string => (perApp ? `${chart}/${path}` : path);
    const files = all.flatMap((one) => {
      return [...one.files].map(([path, text]) => [inFolder(one.name, path), text] as const);
    });
    writeFolder(world, out, new Map(files));
  }
  if (packed === null) return;
  for (const one of all) {
    const path = packed.endsWith(".tgz") ? packed : join(packed, `${one.name}-${one.version}.tgz`);
    write(world, path, chartPackage(one.name, one.files));
  }
}

const CHART =
  /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?(?::(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?))?$/;

interface ChartName {
  readonly name: string | null;
  readonly version: string;
}

/** @throws Failure `usage` */
function chartNameOf(written: string | null): ChartName {
  const match = CHART.exec(written ?? "");
  if (match === null) {
    const advice = "write NAME:VERSION such as shop:1.4.0; the version is a semantic one";
    throw new Failure("usage", `--chart: "${written}" is no name with a version`, advice);
  }
  return { name: match[1] ?? null, version: match[2] ?? "0.1.0" };
}

/** Which files of a folder are ours, so that what is no longer rendered can go. */
const LIST = ".outrigger-files";

function writeFolder(world: World, folder: string, files: ReadonlyMap<string, string>): void {
  const list = join(folder, LIST);
  const before = world.files.stat(list) === null ? [] : world.files.readText(list).split("\n");
  for (const name of before) {
    if (name === "" || files.has(name)) continue;
    world.files.remove(join(folder, name));
    world.stdio.stderr.write(`removed ${join(folder, name)}\n`);
  }
  for (const [name, text] of files) write(world, join(folder, name), text);
  world.files.replace(list, [...files.keys(), ""].join("\n"));
}

function write(world: World, path: string, content: string | Uint8Array): void {
  world.files.makeFolder(dirname(path));
  world.files.replace(path, content);
  world.stdio.stderr.write(`wrote ${path}\n`);
}
