import type { Command } from "./command.ts";

export const proxy: Command = {
  name: "proxy",
  summary: "run one proxy from a Snapshot on disk, without pipelines and admin API",
  lean: true,
  options: [{ long: "snapshot", value: "FILE", about: "the Snapshot to run" }],
  examples: [
    {
      line: "outrigger proxy --snapshot frontend.json",
      about: "the data plane alone, for tests and measurements",
    },
  ],
  async run(world, input) {
    const { Proxy } = await import("../proxy/proxy.ts");
    const { readSnapshot } = await import("../sidecar/read_snapshot.ts");
    const { LineWriter } = await import("../sidecar/line_writer.ts");
    const { untilStopped } = await import("../sidecar/until_stopped.ts");
    const output = new LineWriter(world.stdio.stdout);
    const file = input.required("snapshot");
    const running = new Proxy(world, { log: (lines) => output.write(lines) });
    running.apply(readSnapshot(world.files.readText(file), file));
    world.stdio.stderr.write("ready\n");
    return untilStopped(world, running);
  },
};
