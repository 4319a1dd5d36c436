import type { SignalName, World } from "../base/world.ts";
import { isSameProcess, type ProcessMark, statFields } from "./process_mark.ts";

/** In the environment of everything that a set starts: its state folder. */
export const SET_VARIABLE = "OUTRIGGER_SET";

const POLL_MS = 50;

/**
 * Stops what a set left behind: the recorded processes with their groups, and whatever else still
 * carries the set's mark in its environment (Linux). SIGTERM, a bounded wait, then SIGKILL.
 * Returns how many process ids were found.
 */
export async function stopLeftovers(
  world: World,
  root: string,
  recorded: readonly ProcessMark[],
  waitMs: number,
): Promise<number> {
  const groups: number[] = [];
  for (const mark of recorded) {
    if (await isSameProcess(world, mark)) groups.push(mark.pid);
  }
  const alive = () => [
    ...new Set([...groups.filter((pid) => world.processes.isAlive(pid)), ...carriers(world, root)]),
  ];
  const send = (signal: SignalName) => {
    for (const pid of groups) {
      // Once its leader is gone, the number could become another's: the rest is found as carriers.
      if (world.processes.isAlive(pid)) world.processes.signal(pid, signal, "group");
    }
    for (const pid of carriers(world, root)) world.processes.signal(pid, signal, "process");
  };
  const found = alive().length;
  if (found === 0) return 0;
  send("SIGTERM");
  const end = world.clock.now() + waitMs;
  while (alive().length > 0 && world.clock.now() < end) await world.clock.sleep(POLL_MS);
  const killEnd = world.clock.now() + 2_000;
  while (alive().length > 0 && world.clock.now() < killEnd) {
    send("SIGKILL");
    await world.clock.sleep(POLL_MS);
  }
  return found;
}

/** Processes other than this one with the set's mark in their environment. Empty without /proc. */
function carriers(world: World, root: string): readonly number[] {
  const entry = `${SET_VARIABLE}=${root}`;
  let names: readonly string[];
  try {
    names = world.files.list("/proc");
  } catch {
    return [];
  }
  return names
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid > 1 && pid !== world.processes.self.pid && carries(world, pid, entry));
}

function carries(world: World, pid: number, entry: string): boolean {
  let environment: string;
  try {
    environment = world.files.readText(`/proc/${pid}/environ`);
  } catch {
    // Gone, or another user's.
    return false;
  }
  if (!environment.split("\0").includes(entry)) return false;
  // A zombie only waits for its parent to ask.
  return statFields(world, pid)?.[0] !== "Z";
}
