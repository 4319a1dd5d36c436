/** For tests of commands: a simulated machine with files, and the program run in it. */
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import { runProgram } from "./run_program.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export const SHOP = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: frontend, namespace: shop }
spec:
  run: { command: [server, front], port: 18080 }
  env: { API_URL: "{{calls.api.url}}", PORT: "{{run.port}}" }
  port: 8080
  calls:
    api: { timeout: 2s }
  slo: { availability: 99.9% }
---
apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: api, namespace: shop }
spec:
  run: { command: [server, api], port: 19000 }
  port: 9000
`;

export function machine(files: Readonly<Record<string, string>> = {}): SimulatedWorld {
  const world = createSimulatedWorld({ seed: 1 });
  world.files.makeFolder("/usr/bin");
  for (const [path, text] of Object.entries(files)) world.files.write(path, text);
  return world;
}

/** Runs the program to its end; virtual time passes as it needs it. */
export async function outrigger(world: SimulatedWorld, ...args: string[]): Promise<Outcome> {
  world.stdio.stdout.clear();
  world.stdio.stderr.clear();
  let code: number | null = null;
  void runProgram(world, args).then((result) => (code = result));
  // The first imports of a command take real time, in which virtual time stands still.
  for (let turn = 0; code === null && turn < 2_000; turn += 1) {
    await world.clock.until(() => code !== null, 100);
    if (code === null) await new Promise((resolve) => setImmediate(resolve));
  }
  if (code === null) throw new Error(`outrigger ${args.join(" ")} did not end`);
  return { code, out: world.stdio.stdout.text(), err: world.stdio.stderr.text() };
}
