import type { Command } from "./command.ts";

/**
 * Every command, in the order in which help lists them. Loaded one at a time, so that what runs
 * beside an app never loads what only a person at a terminal needs.
 */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import("./init.ts")).init,
  check: async () => (await import("./check.ts")).check,
  up: async () => (await import("./up.ts")).up,
  down: async () => (await import("./down.ts")).down,
  status: async () => (await import("./status.ts")).status,
  logs: async () => (await import("./logs.ts")).logs,
  diff: async () => (await import("./diff.ts")).diff,
  explain: async () => (await import("./explain.ts")).explain,
  compile: async () => (await import("./compile.ts")).compileCommand,
  render: async () => (await import("./render.ts")).render,
  exceptions: async () => (await import("./exceptions.ts")).exceptions,
  schema: async () => (await import("./schema.ts")).schema,
  tap: async () => (await import("./tap.ts")).tap,
  top: async () => (await import("./top.ts")).top,
  why: async () => (await import("./why.ts")).why,
  clusters: async () => (await import("./clusters.ts")).clusters,
  routes: async () => (await import("./routes.ts")).routes,
  config: async () => (await import("./config.ts")).config,
  "log-level": async () => (await import("./log_level.ts")).logLevel,
  capture: async () => (await import("./capture.ts")).capture,
  replay: async () => (await import("./replay.ts")).replay,
  fault: async () => (await import("./fault.ts")).fault,
  load: async () => (await import("./load.ts")).load,
  proxy: async () => (await import("./proxy.ts")).proxy,
  pipeline: async () => (await import("./pipeline.ts")).pipeline,
  "pipeline ledger": async () => (await import("./pipeline_ledger.ts")).pipelineLedger,
  "pipeline top": async () => (await import("./pipeline_top.ts")).pipelineTop,
  "pipeline trace": async () => (await import("./pipeline_trace.ts")).pipelineTrace,
  "pipeline test": async () => (await import("./pipeline_examples.ts")).pipelineExamples,
  "pipeline replay": async () => (await import("./pipeline_replay.ts")).pipelineReplay,
  "pipeline dead-letters": async () => (await import("./pipeline_letters.ts")).pipelineLetters,
  sidecar: async () => (await import("./sidecar.ts")).sidecar,
  wait: async () => (await import("./wait.ts")).wait,
  completion: async () => (await import("./completion.ts")).completion,
  version: async () => (await import("./version.ts")).version,
};

export async function allCommands(): Promise<readonly Command[]> {
  return Promise.all(Object.values(COMMANDS).map((load) => load()));
}
