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
  schema: async () => (await import("./schema.ts")).schema,
  fault: async () => (await import("./fault.ts")).fault,
  load: async () => (await import("./load.ts")).load,
  proxy: async () => (await import("./proxy.ts")).proxy,
  pipeline: async () => (await import("./pipeline.ts")).pipeline,
  sidecar: async () => (await import("./sidecar.ts")).sidecar,
  completion: async () => (await import("./completion.ts")).completion,
  version: async () => (await import("./version.ts")).version,
};

export async function allCommands(): Promise<readonly Command[]> {
  return Promise.all(Object.values(COMMANDS).map((load) => load()));
}
