import { Failure } from "../base/failure.ts";
import { type ExitStatus, ProcessError, type World } from "../base/world.ts";
import { type Command, FILE_OPTION, type Input, outputOption } from "./command.ts";
import { printData } from "./output.ts";
import { renderedObjects, RENDER_OPTIONS } from "./rendered_objects.ts";

export const diff: Command = {
  name: "diff",
  summary: "show what a change of files changes in each sidecar, or in each object of Kubernetes",
  arguments: [
    { name: "before", about: "a file or a folder" },
    { name: "after", about: "a file or a folder; with --rendered or --cluster more files", many: true },
  ],
  options: [
    FILE_OPTION,
    outputOption("text", ["text", "json", "yaml"]),
    { long: "rendered", value: "DIR", about: "compare with what render wrote there" },
    { long: "cluster", about: "compare with the cluster of kubectl, by its server-side dry run" },
    ...RENDER_OPTIONS,
  ],
  examples: [
    { line: "outrigger diff v2.yaml v3.yaml", about: "status 1 where there is a difference" },
    {
      line: "outrigger diff shop.yaml --rendered deploy",
      about: "what render would change there, each value with the line that asks for it",
    },
    { line: "outrigger diff shop.yaml --cluster", about: "what kubectl apply would change" },
  ],
  async run(world, input) {
    if (input.flag("cluster")) return diffCluster(world, input);
    const folder = input.text("rendered");
    if (folder !== null) return diffRendered(world, input, folder);
    const files = input.files();
    if (files.length !== 2) {
      const advice = "name the files before and after, or add --rendered DIR or --cluster";
      throw new Failure("usage", `${files.length} files to compare with each other`, advice);
    }
    return diffFiles(world, input, files[0]!, files[1]!);
  },
};

async function diffFiles(world: World, input: Input, before: string, after: string): Promise<number> {
  const { diffSnapshots, diffText } = await import("../compile/diff.ts");
  const { loadFiles, placeDocuments } = await import("../local/load_set.ts");
  const { placeOf } = await import("../local/place.ts");
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
}

async function diffRendered(world: World, input: Input, folder: string): Promise<number> {
  const { diffObjects, objectsDiffText } = await import("../render/kubernetes/mod.ts");
  const { readRendered } = await import("../render/kubernetes/read_rendered.ts");
  const { readSources } = await import("../local/load_set.ts");
  const objects = await renderedObjects(world, input, input.files());
  const before = readRendered(await readSources(world, [folder]));
  const difference = diffObjects(before, objects);
  const format = input.text("output") ?? "text";
  if (format === "text") world.stdio.stdout.write(objectsDiffText(difference));
  else await printData(world, format, difference);
  return difference.same ? 0 : 1;
}

/** `kubectl diff` knows what a cluster adds by itself; it does not tell what would be removed. */
async function diffCluster(world: World, input: Input): Promise<number> {
  const { manifestText } = await import("../render/kubernetes/mod.ts");
  const text = manifestText(await renderedObjects(world, input, input.files()));
  const { code } = await new Promise<ExitStatus>((resolve, reject) => {
    try {
      const child = world.processes.spawn({
        command: ["kubectl", "diff", "--server-side", "--force-conflicts", "-f", "-"],
        env: ownEnvironment(world),
        ...{ stdin: "pipe", stdout: "inherit", stderr: "inherit" },
        onExit: resolve,
      });
      child.write(new TextEncoder().encode(text));
      child.closeInput();
    } catch (error) {
      reject(error instanceof ProcessError ? missingKubectl(error) : error);
    }
  });
  if (code > 1) {
    const advice = "is this the right cluster (kubectl config current-context)? Its words are above";
    throw new Failure("upstream-unreachable", `kubectl diff ended with status ${code}`, advice);
  }
  return code;
}

function missingKubectl(error: ProcessError): Failure {
  if (error.code !== "not-found") return new Failure("permission", `kubectl: ${error.message}`);
  return new Failure("command-not-found", "there is no kubectl on PATH", "install it, or use --rendered");
}

function ownEnvironment(world: World): Readonly<Record<string, string>> {
  const all = Object.entries(world.processes.self.env);
  return Object.fromEntries(all.filter((one): one is [string, string] => one[1] !== undefined));
}
