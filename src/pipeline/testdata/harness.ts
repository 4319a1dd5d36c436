/** What tests of pipelines share: a world that can be killed, and pipelines made of parts. */
import { dirname, join } from "node:path";
import { expect } from "bun:test";
import { DerivedEvent } from "../../api/event.ts";
import type { PipelinePolicy } from "../../api/snapshot.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { TextOutput, World } from "../../base/world.ts";
import type { HttpPost, TransformContext } from "../component.ts";
import { imbalance, sinkImbalance } from "../ledger.ts";
import type { PipelineOptions } from "../runner.ts";
import { PipelineRunner } from "../runner.ts";

export const STATE = "/state";

/** A world for one process: after `kill`, nothing of it runs or writes any more. */
export function mortal(world: SimulatedWorld): Mortal {
  let alive = true;
  /** A promise that a dead process waits for never ends. */
  function outlived<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => alive && resolve(value),
        (error: unknown) => alive && reject(error as Error),
      );
    });
  }
  const guard = (run: () => void) => () => {
    if (alive) run();
  };
  const { clock, files } = world;
  const mortalClock: World["clock"] = {
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, run) => clock.after(delayMs, guard(run)),
    every: (intervalMs, run) => {
      const timer = clock.every(intervalMs, () => (alive ? run() : timer.cancel()));
      return timer;
    },
    sleep: (delayMs) => clock.sleep(delayMs),
  };
  const mortalFiles = new Proxy(files, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "watch") {
        return (folder: string, changed: () => void) => target.watch(folder, guard(changed));
      }
      return (...args: unknown[]): unknown => {
        if (!alive) throw new Error(`a dead process calls files.${String(name)}`);
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  const kill = (): void => {
    alive = false;
  };
  const { stdout } = world.stdio;
  const mortalStdout: TextOutput = {
    isTerminal: false,
    columns: 0,
    rows: 0,
    write: (data) => stdout.write(data),
    writeAll: (data) => outlived(stdout.writeAll(data)),
  };
  const stdio = { stdout: mortalStdout, stderr: world.stdio.stderr, stdin: world.stdio.stdin };
  return {
    world: { ...world, stdio, clock: mortalClock, files: mortalFiles },
    kill,
    post: (real) => (url, headers, body) => outlived(real(url, headers, body)),
  };
}

export interface Mortal {
  readonly world: World;
  kill(): void;
  /** The same, whose answers a dead process does not see. */
  post(real: HttpPost): HttpPost;
}

export const FOLLOW = { component: "file", config: { include: ["/logs/app.log"] } } as const;
export const STDOUT = { component: "stdout", config: {} } as const;

export function policyOf(parts: Partial<PipelinePolicy> = {}): PipelinePolicy {
  return { sources: { app: FOLLOW }, steps: [], sinks: { out: STDOUT }, ...parts };
}

export function worldWithLogs(seed: number): SimulatedWorld {
  const world = createSimulatedWorld({ seed });
  world.files.makeFolder("/logs");
  return world;
}

export function startPipeline(
  world: World,
  policy: PipelinePolicy,
  options: PipelineOptions = {},
): PipelineRunner {
  const nothing = { sources: {}, sinks: {} };
  const runner = new PipelineRunner(world, "test", policy, nothing, STATE, options);
  runner.start();
  return runner;
}

/** Stops it in virtual time. */
export async function stopPipeline(world: SimulatedWorld, runner: PipelineRunner): Promise<void> {
  let stopped = false;
  void runner.stop().then(() => (stopped = true));
  expect(await world.clock.until(() => stopped, 60_000)).toBe(true);
}

/** Files by their names below the Pipeline file's folder, which is the program's here. */
export function putFiles(world: SimulatedWorld, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(world.processes.self.folder, name);
    world.files.makeFolder(dirname(path));
    world.files.write(path, text);
  }
}

export function append(world: SimulatedWorld, path: string, text: string): void {
  const file = world.files.open(path, "append");
  file.write(Buffer.from(text));
  file.close();
}

/** The messages on standard output, in order. */
export function messages(world: SimulatedWorld): string[] {
  const lines = world.stdio.text().split("\n");
  lines.pop();
  return lines.map((line) => (JSON.parse(line) as { message: string }).message);
}

/** Every source's and every sink's line adds up. */
export function expectBalanced(runner: PipelineRunner): void {
  const { sources, sinks } = runner.ledger();
  for (const line of Object.values(sources)) expect(imbalance(line)).toBe(0);
  for (const line of Object.values(sinks)) expect(sinkImbalance(line)).toBe(0);
}

/** What a step's own test needs of a pipeline; spread it and put what the test looks at over it. */
export function stepContext(world: World): TransformContext {
  const missing = (what: string) => (): never => {
    throw new Error(`the test's context has no ${what}`);
  };
  return {
    world,
    name: "steps.0.test",
    folder: "/files",
    sheds: false,
    report: () => {},
    count: () => {},
    failed: missing("failed"),
    drop: () => {},
    hold: () => {},
    absorb: () => {},
    derive: (parents, fields) => new DerivedEvent(parents, 0, fields, 0),
    split: (parent, list) => list.map((fields, nth) => new DerivedEvent([parent], nth, fields, 0)),
    emit: missing("emit"),
  };
}

export function checkpointPath(source = "app"): string {
  return `${STATE}/pipelines/test/${source}.checkpoint.json`;
}
