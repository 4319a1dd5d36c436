import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { stopLeftovers } from "./leftovers.ts";
import { findSet, isUp, marksOf } from "./running_record.ts";
import { knownSets, setNameOf, StateFolder, stateHome } from "./state_folder.ts";

/** Longer than any usual drain; then it is killed, and what it left is stopped. */
const STOP_WAIT_MS = 60_000;
const LEFTOVER_WAIT_MS = 5_000;
const POLL_MS = 50;

export interface DownResult {
  readonly name: string;
  /** False where only what a killed `up` had left behind was stopped. */
  readonly wasUp: boolean;
  readonly leftovers: number;
}

/**
 * Stops a set and waits until nothing of it runs.
 *
 * @throws Failure "not-running" where there is none.
 */
export async function runDown(
  world: World,
  options: { readonly name: string | null; readonly files: readonly string[] },
): Promise<DownResult> {
  const { state, record } = findSet(world, options.name, options.files);
  const wasUp = await isUp(world, record);
  if (wasUp) {
    world.processes.signal(record.up.pid, "SIGTERM", "process");
    const end = world.clock.now() + STOP_WAIT_MS;
    while ((await isUp(world, record)) && world.clock.now() < end) await world.clock.sleep(POLL_MS);
    if (await isUp(world, record)) world.processes.signal(record.up.pid, "SIGKILL", "process");
  }
  const leftovers = await stopLeftovers(world, state.root, marksOf(record), LEFTOVER_WAIT_MS);
  world.files.remove(state.running);
  return { name: state.name, wasUp, leftovers };
}

/**
 * Removes what a stopped set left on disk: ports, logs, checkpoints.
 *
 * @throws Failure "already-running" where it runs, "not-running" where there is nothing.
 */
export async function purge(
  world: World,
  options: { readonly name: string | null; readonly files: readonly string[] },
): Promise<readonly string[]> {
  const home = stateHome(world);
  const own = options.name ?? (options.files.length > 0 ? setNameOf(world, options.files) : null);
  const names = own === null ? knownSets(world, home) : [own];
  const removed: string[] = [];
  for (const name of names) {
    const state = new StateFolder(world, home, name);
    if (world.files.stat(state.root) === null) continue;
    if (world.files.stat(state.running) !== null) {
      throw new Failure("already-running", `${name} runs`, `outrigger down --name ${name} first`);
    }
    world.files.remove(state.root);
    removed.push(name);
  }
  return removed;
}
