import type { Snapshot } from "../api/snapshot.ts";
import { type Command, WORKERS_OPTION } from "./command.ts";

export const sidecar: Command = {
  name: "sidecar",
  summary: "run what stands beside one app: proxy, pipelines, admin API",
  lean: true,
  options: [
    { long: "snapshot", value: "FILE", about: "the Snapshot to run" },
    { long: "state", value: "DIR", about: "where its last good Snapshot is, if FILE is bad" },
    { long: "watch", about: "put the Snapshot in force again whenever its file changes" },
    WORKERS_OPTION,
    {
      long: "take-over",
      value: "SOCKET",
      about: "take over from the process that listens there; it starts its successor like this",
      hidden: true,
    },
  ],
  examples: [
    {
      line: "outrigger sidecar --snapshot frontend.json",
      about: "runs what compile wrote; up and the container image start it like this",
    },
  ],
  async run(world, input) {
    const { createDataPlane, MAX_WORKERS } = await import("../sidecar/data_plane.ts");
    const { startSidecar } = await import("../sidecar/run_sidecar.ts");
    const { LineWriter } = await import("../sidecar/line_writer.ts");
    const output = new LineWriter(world.stdio.stdout);
    const talk = new LineWriter(world.stdio.stderr);
    const workers = input.wholeNumber("workers", { min: 1, max: MAX_WORKERS });
    const log = (lines: string): void => output.write(lines);
    const options = {
      snapshotFile: input.required("snapshot"),
      stateFolder: input.text("state"),
      createProxy: (snapshot: Snapshot) => createDataPlane(world, workers, snapshot, log),
      watch: input.flag("watch"),
      log: (line: string): void => talk.write(line),
    };
    const code = await startSidecar(world, options, input.text("take-over"));
    await output.finish(world.clock);
    await talk.finish(world.clock);
    return code;
  },
};
