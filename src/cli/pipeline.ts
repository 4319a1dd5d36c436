import { join } from "node:path";

import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { PipelineSet } from "../sidecar/pipeline_process.ts";
import type { Command, Input } from "./command.ts";
import { FILE_OPTION } from "./command.ts";

export const pipeline: Command = {
  name: "pipeline",
  summary: "run pipelines alone, from Pipeline files or from a Snapshot",
  lean: true,
  arguments: [{ name: "file", about: "Pipeline files, folders of them, or -", many: true }],
  options: [
    FILE_OPTION,
    { long: "snapshot", value: "FILE", about: "run those of this Snapshot, as a sidecar does" },
    { long: "state", value: "DIR", about: "folder for checkpoints (.outrigger/pipelines)" },
    { long: "admin-socket", value: "PATH", about: "unix socket for GET /metrics and /stats" },
  ],
  examples: [
    {
      line: "outrigger pipeline orders-pipeline.yaml",
      about: "follows, parses and sends what the file says, until Ctrl-C",
    },
  ],
  async run(world, input) {
    const { runPipelines } = await import("../sidecar/pipeline_process.ts");
    const snapshot = input.text("snapshot");
    const set =
      snapshot === null ? await fromFiles(world, input) : await fromSnapshot(world, snapshot);
    return runPipelines(world, set, {
      adminSocket: input.text("admin-socket"),
      endsWithInput: snapshot !== null && !world.stdio.stdin.isTerminal,
      log: (line) => world.stdio.stderr.write(`${line}\n`),
    });
  },
};

async function fromSnapshot(world: World, file: string): Promise<PipelineSet> {
  const { readSnapshot } = await import("../sidecar/read_snapshot.ts");
  const { pipelinesOf } = await import("../sidecar/pipeline_process.ts");
  return pipelinesOf(readSnapshot(world.files.readText(file), file));
}

async function fromFiles(world: World, input: Input): Promise<PipelineSet> {
  const { loadFiles } = await import("../local/load_set.ts");
  const { pipelines } = await loadFiles(world, input.files());
  if (pipelines.length === 0) {
    throw new Failure("usage", "the files hold no Pipeline", "kind: Pipeline is what runs alone");
  }
  const stateFolder = input.text("state") ?? join(world.processes.self.folder, ".outrigger");
  world.files.makeFolder(stateFolder, { mode: 0o700 });
  const policies = Object.fromEntries(
    pipelines.map(({ namespace, name, spec }) => [`${namespace}.${name}`, spec]),
  );
  return { policies, bindings: {}, stateFolder };
}
