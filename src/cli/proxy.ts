import { type Command, WORKERS_OPTION } from "./command.ts";

export const proxy: Command = {
  name: "proxy",
  summary: "run one proxy from a Snapshot on disk, without pipelines and admin API",
  lean: true,
  options: [{ long: "snapshot", value: "FILE", about: "the Snapshot to run" }, WORKERS_OPTION],
  examples: [
    {
      line: "outrigger proxy --snapshot frontend.json",
      about: "the data plane alone, for tests and measurements",
    },
  ],
  async run(world, input) {
    const { createDataPlane, MAX_WORKERS } = await import("../sidecar/data_plane.ts");
    const { readSnapshot } = await import("../sidecar/read_snapshot.ts");
    const { LineWriter } = await import("../sidecar/line_writer.ts");
    const { untilStopped } = await import("../sidecar/until_stopped.ts");
    const output = new LineWriter(world.stdio.stdout);
    const file = input.required("snapshot");
    const workers = input.wholeNumber("workers", { min: 1, max: MAX_WORKERS });
    const snapshot = readSnapshot(world.files.readText(file), file);
    const log = (lines: string): void => output.write(lines);
    const running = await createDataPlane(world, workers, snapshot, log);
    await running.apply(snapshot);
    world.stdio.stderr.write("ready\n");
    const code = await untilStopped(world, running);
    await output.finish(world.clock);
    return code;
  },
};
