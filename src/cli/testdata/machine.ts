/** For tests of commands: a simulated machine with files, and the program run in it. */
import { createSimulatedWorld, type SimulatedWorld } from "../../base/simulated/mod.ts";
import { allCommands } from "../mod.ts";
import { runProgram } from "../run_program.ts";
// What commands import when they run, so that no test waits for it in virtual time.
import "../program.ts";
import "../../api/explain_field.ts";
import "../../api/first_file.ts";
import "../../api/json_schema.ts";
import "../../compile/diff.ts";
import "../../compile/explain.ts";
import "../../compile/strict.ts";
import "../../local/detach.ts";
import "../../local/down.ts";
import "../../local/faults.ts";
import "../../local/place.ts";
import "../../local/read_logs.ts";
import "../../local/status.ts";
import "../../local/up.ts";
import "../../operate/load.ts";
import "../../proxy/group/proxy_group.ts";
import "../../proxy/proxy.ts";
import "../../sidecar/data_plane.ts";
import "../../render/ci_pipeline.ts";
import "../../render/kubernetes/mod.ts";
import "../../render/kubernetes/read_rendered.ts";
import "../../render/mod.ts";
import "../../sidecar/line_writer.ts";
import "../../sidecar/pipeline_process.ts";
import "../../sidecar/sidecar.ts";

await allCommands();

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
  const { pid } = world.processes.self;
  world.files.makeFolder(`/proc/${pid}`);
  const stat = `${pid} (outrigger) S 1 ${pid} ${pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0\n`;
  world.files.write(`/proc/${pid}/stat`, stat);
  for (const [path, text] of Object.entries(files)) world.files.write(path, text);
  return world;
}

/** Runs the program to its end; virtual time passes as it needs it. */
export async function outrigger(world: SimulatedWorld, ...args: string[]): Promise<Outcome> {
  world.stdio.stdout.clear();
  world.stdio.stderr.clear();
  let code: number | null = null;
  void runProgram(world, args).then((result) => (code = result));
  await until(world, () => code !== null);
  if (code === null) throw new Error(`outrigger ${args.join(" ")} did not end`);
  return { code, out: world.stdio.stdout.text(), err: world.stdio.stderr.text() };
}

/** A program that runs on beside the test until it is told to stop. */
export interface Running {
  code: number | null;
}

export function background(world: SimulatedWorld, ...args: string[]): Running {
  const running: Running = { code: null };
  void runProgram(world, args).then((code) => (running.code = code));
  return running;
}

/** Lets virtual time pass until the condition holds; false where it does not in 200 s of it. */
export async function until(world: SimulatedWorld, condition: () => boolean): Promise<boolean> {
  // An import is over in a later turn of the real loop, though all modules are there; on a machine
  // with much to do some milliseconds later.
  for (let turn = 0; !condition() && turn < 2_000; turn += 1) {
    await world.clock.until(condition, 100);
    if (condition()) break;
    await new Promise((resolve) => (turn < 100 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
  return condition();
}

/**
 * The shop without sidecars, and a fake `server` for its Apps that listens on PORT and says so.
 * Its folder of state is /state.
 */
export function shopMachine(): SimulatedWorld {
  const run = "[server, api], port: 19000 }";
  const plain = SHOP.replaceAll(/(  port: \d+)\n/g, "$1\n  sidecar: { enabled: false }\n").replace(
    run,
    `${run}\n  env: { PORT: "{{run.port}}" }`,
  );
  const world = machine({ "/home/app/shop.yaml": plain, "/usr/bin/server": "" });
  world.processes.self.env["OUTRIGGER_HOME"] = "/state";
  world.programs.set("server", (child) => {
    const port = Number(child.env["PORT"]);
    const listener = world.net.listen({ address: { host: "127.0.0.1", port } }, () => null);
    const calls = child.env["API_URL"] ?? "nobody";
    child.stdout(`${child.command[1]} listens on ${port}, calls ${calls}\n`);
    child.onSignal("SIGTERM", () => {
      listener.stop();
      child.exit(0);
    });
  });
  return world;
}

/** Starts `up` with the shop and waits until it is ready. */
export async function shopUp(): Promise<{ world: SimulatedWorld; up: Running }> {
  const world = shopMachine();
  const up = background(world, "up", "--name", "shop", "shop.yaml");
  const running = () => world.files.stat("/state/shop/running.json") !== null;
  const record = () => JSON.parse(world.files.readText("/state/shop/running.json"));
  const ready = () => running() && record().phase === "ready";
  if (!(await until(world, ready))) throw new Error(world.stdio.text());
  return { world, up };
}
