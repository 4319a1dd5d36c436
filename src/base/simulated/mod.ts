import type { World } from "../world.ts";
import { SimulatedClock } from "./clock.ts";
import type { LinkFaults } from "./faults.ts";
import { SimulatedFiles } from "./files.ts";
import { SimulatedModules } from "./modules.ts";
import { Fabric, SimulatedNet } from "./net.ts";
import { SimulatedProcesses, SimulatedSelf } from "./processes.ts";
import type { FakeProgram } from "./processes.ts";
import { SimulatedRandom } from "./random.ts";
import { SimulatedSignals } from "./signals.ts";
import { SimulatedStdio } from "./stdio.ts";
import { SimulatedThreads } from "./threads.ts";

const LOCAL_HOST = "127.0.0.1";
const LOCAL_FOLDER = "/home/app";

export interface SimulatedWorldOptions {
  /** The same seed and the same code: the same run. */
  readonly seed: number;
  /** Of all links; `CALM` without it. More by `net.setFaults` and `net.setLink`, at any time. */
  readonly faults?: Partial<LinkFaults>;
  /** Wall-clock time at the start, since 1970; 2026-01-01 without it. */
  readonly startMs?: number;
  /** A line for each thing that happens on the network. */
  readonly trace?: (line: string) => void;
}

export interface SimulatedWorld extends World {
  readonly clock: SimulatedClock;
  readonly random: SimulatedRandom;
  readonly net: SimulatedNet;
  readonly files: SimulatedFiles;
  readonly processes: SimulatedProcesses;
  readonly threads: SimulatedThreads;
  readonly signals: SimulatedSignals;
  readonly stdio: SimulatedStdio;
  /** Same as `processes.programs`: what `spawn` can start. */
  readonly programs: Map<string, FakeProgram>;
  /** What handlers threw while no `onUncaught` was there. `clock.advance` throws the first. */
  readonly uncaught: readonly unknown[];
  /** The same world seen from another host of its network: connects come from `address`. */
  at(address: string): SimulatedWorld;
  /** What is still open, in words: empty when everything was given back. */
  leaks(): string[];
}

export function createSimulatedWorld(options: SimulatedWorldOptions): SimulatedWorld {
  const { seed, trace } = options;
  const reports: ((error: unknown) => unknown)[] = [];
  const uncaught: unknown[] = [];
  const report = (error: unknown): void => {
    for (const run of reports) if (run(error) === true) return;
    if (reports.length === 0) uncaught.push(error);
  };
  const clock = new SimulatedClock(report, options.startMs);
  clock.afterEvent = () => {
    // Nobody asked for it, so the test is told.
    if (uncaught.length > 0) throw uncaught[0];
  };
  // A generator each: what the code under test draws does not change what the network does.
  const files = new SimulatedFiles(clock, new SimulatedRandom(seed + 0x1000_0000), LOCAL_FOLDER);
  const fabric = new Fabric({
    clock,
    files,
    random: new SimulatedRandom(seed + 0x2000_0000),
    uncaught: report,
    trace: (text) => trace?.(`${clock.now().toFixed(3)} ${text}`),
  });
  const self = new SimulatedSelf(LOCAL_FOLDER, reports);
  const isHeld = (port: number): boolean => fabric.holderOfPort(LOCAL_HOST, port);
  const processes = new SimulatedProcesses(clock, self, isHeld);
  const world: SimulatedWorld = {
    clock,
    files,
    processes,
    uncaught,
    random: new SimulatedRandom(seed),
    net: new SimulatedNet(fabric, LOCAL_HOST),
    threads: new SimulatedThreads(clock),
    modules: new SimulatedModules(files),
    signals: new SimulatedSignals(),
    stdio: new SimulatedStdio(),
    programs: processes.programs,
    at(address) {
      fabric.hosts.add(address);
      return { ...world, net: new SimulatedNet(fabric, address) };
    },
    leaks: () => leaksOf(world),
  };
  if (options.faults !== undefined) world.net.setFaults(options.faults);
  return world;
}

function leaksOf(world: SimulatedWorld): string[] {
  const counts: readonly (readonly [number, string])[] = [
    [world.net.openSockets, "open sockets"],
    [world.net.listeners, "listeners"],
    [world.net.udpSockets, "UDP sockets"],
    [world.net.pendingDials, "pending dials"],
    [world.clock.pendingTimers, "pending timers"],
    [world.files.openFiles, "open files"],
    [world.files.watchers, "file watchers"],
    [world.processes.children.size, "running processes"],
    [world.signals.listeners, "signal listeners"],
  ];
  return counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
}
