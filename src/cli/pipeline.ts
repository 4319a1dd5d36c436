import { dirname, resolve } from "node:path";

import { Failure } from "../base/failure.ts";
import { parseAddress } from "../base/ip_address.ts";
import type { SocketAddress, World } from "../base/world.ts";
import type { PipelineSet, Reload } from "../sidecar/pipeline_process.ts";
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
    { long: "state", value: "DIR", about: "folder for what outlives it (.outrigger)" },
    { long: "admin-socket", value: "PATH", about: "unix socket for ledger, top, trace" },
    { long: "metrics", value: "ADDRESS", about: "serve /metrics here, as 127.0.0.1:9598" },
  ],
  examples: [
    {
      line: "outrigger pipeline orders-pipeline.yaml",
      about: "until Ctrl-C; takes over a changed file by itself, and on SIGHUP",
    },
    {
      line: "outrigger pipeline orders-pipeline.yaml < app.log",
      about: "with `stdin` as its only source: until all of that is delivered",
    },
  ],
  async run(world, input) {
    const { runPipelines } = await import("../sidecar/pipeline_process.ts");
    const snapshot = input.text("snapshot");
    const log = (line: string): void => void world.stdio.stderr.write(`${line}\n`);
    if (snapshot !== null) {
      return runPipelines(world, await fromSnapshot(world, snapshot), {
        adminSocket: input.text("admin-socket"),
        endsWithInput: !world.stdio.stdin.isTerminal,
        log,
        // The sidecar says when it holds another one.
        reload: { read: () => fromSnapshot(world, snapshot), watch: [] },
      });
    }
    const metricsAddress = metricsAddressOf(input.text("metrics"));
    const set = await fromFiles(world, input);
    const own = await freeSocket(world, set.stateFolder);
    return runPipelines(world, set, {
      adminSocket: input.text("admin-socket") ?? own,
      endsWithInput: false,
      endsWithSources: true,
      log,
      ...(metricsAddress === null ? {} : { metricsAddress }),
      ...(input.files().includes("-") ? {} : { reload: reloadOf(world, input) }),
    });
  },
};

/** `127.0.0.1:9598`, `[::1]:9598`, or `:9598` of the loopback address. @throws Failure */
function metricsAddressOf(written: string | null): SocketAddress | null {
  if (written === null) return null;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]*)):(\d{1,5})$/.exec(written);
  const host = match?.[1] ?? (match?.[2] || "127.0.0.1");
  const port = Number(match?.[3]);
  if (match !== null && port >= 1 && port <= 65_535 && parseAddress(host) !== null) {
    return { host, port };
  }
  const text = `--metrics: "${written}" is no address with a port`;
  throw new Failure("usage", text, "write it as 127.0.0.1:9598, or 0.0.0.0:9598 for all to see");
}

async function fromSnapshot(world: World, file: string): Promise<PipelineSet> {
  const { readSnapshot } = await import("../sidecar/read_snapshot.ts");
  const { pipelinesOf } = await import("../sidecar/pipeline_process.ts");
  return pipelinesOf(readSnapshot(world.files.readText(file), file));
}

async function fromFiles(world: World, input: Input): Promise<PipelineSet> {
  const { loadFiles } = await import("../local/load_set.ts");
  const { defaultStateFolder } = await import("../local/pipeline_socket.ts");
  const { pipelines } = await loadFiles(world, input.files());
  if (pipelines.length === 0) {
    throw new Failure("usage", "the files hold no Pipeline", "kind: Pipeline is what runs alone");
  }
  const stateFolder = input.text("state") ?? defaultStateFolder(world);
  world.files.makeFolder(stateFolder, { mode: 0o700 });
  const named = pipelines.map((one) => [`${one.namespace}.${one.name}`, one] as const);
  const policies = Object.fromEntries(named.map(([name, { spec }]) => [name, spec]));
  const own = world.processes.self.folder;
  const folders = named.map(([name, { file }]) => [name, dirname(resolve(own, file))] as const);
  return { policies, bindings: {}, stateFolder, folders: Object.fromEntries(folders) };
}

/** Two processes with one state would both keep its checkpoints. @throws Failure */
async function freeSocket(world: World, stateFolder: string): Promise<string> {
  const { PipelineClient } = await import("../local/pipeline_socket.ts");
  const client = new PipelineClient(world, stateFolder);
  try {
    if (!(await client.isRunning())) return client.socket;
  } finally {
    client.close();
  }
  throw new Failure(
    "already-running",
    `a pipeline runs with the state folder ${stateFolder} already`,
    "give this one a folder of its own: --state DIR",
  );
}

function reloadOf(world: World, input: Input): Reload {
  const own = world.processes.self.folder;
  const paths = input.files().map((file) => resolve(own, file));
  const isFolder = (path: string): boolean => world.files.stat(path)?.kind === "folder";
  const watch = new Set(paths.map((path) => (isFolder(path) ? path : dirname(path))));
  return { read: () => fromFiles(world, input), watch: [...watch] };
}
