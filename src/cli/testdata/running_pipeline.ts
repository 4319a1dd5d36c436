/** For tests of `pipeline` commands: a pipeline that runs on a simulated machine. */
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { background, machine, until } from "./machine.ts";
import "../../local/load_set.ts";
import "../../local/pipeline_socket.ts";
import "../../pipeline/letter_file.ts";
import "../../pipeline/try_steps.ts";
import "../../sidecar/pipeline_admin.ts";

export const LOG = "/home/app/a.log";

/** Follows LOG, reads it as JSON, drops what is none into the dead letters. */
export function pipelineFile(steps = "[{ parse: { json: {} }, onError: deadLetter }]"): string {
  return `apiVersion: outrigger.dev/v1alpha1
kind: Pipeline
metadata: { name: orders }
spec:
  sources: { app: { file: { include: [${LOG}], pollInterval: 100ms } } }
  steps: ${steps}
  sinks: { out: { stdout: {} } }
`;
}

export interface RunningPipeline {
  readonly world: SimulatedWorld;
  append(text: string): void;
  /** Gives it time to read what was appended. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

export async function runningPipeline(steps?: string): Promise<RunningPipeline> {
  const world = machine({ "/home/app/p.yaml": pipelineFile(steps), [LOG]: "" });
  const running = background(world, "pipeline", "p.yaml");
  const socket = "/home/app/.outrigger/pipeline.sock";
  if (!(await until(world, () => world.files.stat(socket) !== null))) {
    throw new Error(world.stdio.stderr.text());
  }
  return {
    world,
    append: (text) => {
      const file = world.files.open(LOG, "append");
      file.write(Buffer.from(text));
      file.close();
    },
    settle: () => world.clock.advance(2000),
    stop: async () => {
      world.signals.raise("SIGTERM");
      await until(world, () => running.code !== null);
    },
  };
}
