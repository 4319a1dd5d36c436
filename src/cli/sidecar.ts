import type { Command } from "./command.ts";

export const sidecar: Command = {
  name: "sidecar",
  summary: "run what stands beside one app: proxy, pipelines, admin API",
  lean: true,
  options: [
    { long: "snapshot", value: "FILE", about: "the Snapshot to run" },
    { long: "state", value: "DIR", about: "where its last good Snapshot is, if FILE is bad" },
  ],
  examples: [
    {
      line: "outrigger sidecar --snapshot frontend.json",
      about: "runs what compile wrote; up and the container image start it like this",
    },
  ],
  async run(world, input) {
    const { Proxy } = await import("../proxy/proxy.ts");
    const { Sidecar } = await import("../sidecar/sidecar.ts");
    const { untilStopped } = await import("../sidecar/until_stopped.ts");
    const { LineWriter } = await import("../sidecar/line_writer.ts");
    const output = new LineWriter(world.stdio.stdout);
    const talk = new LineWriter(world.stdio.stderr);
    const running = new Sidecar(world, {
      snapshotFile: input.required("snapshot"),
      stateFolder: input.text("state"),
      proxy: new Proxy(world, { log: (lines) => output.write(lines) }),
      log: (line) => talk.write(line),
    });
    running.start();
    return untilStopped(world, running);
  },
};
