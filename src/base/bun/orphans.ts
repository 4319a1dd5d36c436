import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import type { ExitStatus, SignalName } from "../world.ts";
import { becomeSubreaper, reapChild } from "./libc.ts";

/**
 * A SIGCHLD may stand for several ends, and come before the child shows as ended. The timer also
 * keeps a process going that has nothing else to do than to wait for them.
 */
const SECOND_LOOK_MS = 1_000;

/**
 * Reaps children that were not started here: what a child leaves behind when it ends becomes process
 * 1's, or that of the nearest subreaper above it. Bun waits for its own children by itself, so
 * `isOwn` is left alone, and waitpid is never asked for just any child.
 */
export function adoptOrphans(
  isOwn: (pid: number) => boolean,
  onExit: (pid: number, status: ExitStatus) => void,
): boolean {
  if (process.platform !== "linux") return false;
  if (process.pid !== 1 && !becomeSubreaper()) return false;
  const look = (): void => {
    for (const pid of endedChildren()) {
      if (isOwn(pid)) continue;
      const status = reapChild(pid);
      if (status !== null) onExit(pid, exitStatus(status));
    }
  };
  process.on("SIGCHLD", look);
  setInterval(look, SECOND_LOOK_MS);
  return true;
}

/** wait(2): the signal in the lowest seven bits, the exit code in the eight above. */
function exitStatus(status: number): ExitStatus {
  const number = status & 0x7f;
  if (number === 0) return { code: (status >> 8) & 0xff, signal: null };
  const names = Object.entries(constants.signals);
  const name = names.find(([, one]) => one === number)?.[0];
  return { code: 128 + number, signal: (name ?? null) as SignalName | null };
}

/** Children that only wait to be reaped: proc(5), `children` of each thread, and `stat`. */
function endedChildren(): number[] {
  const pids: number[] = [];
  for (const thread of names("/proc/self/task")) {
    const text = read(`/proc/self/task/${thread}/children`);
    for (const word of text?.split(" ") ?? []) if (word !== "") pids.push(Number(word));
  }
  return pids.filter((pid) => {
    const stat = read(`/proc/${pid}/stat`);
    return stat !== null && stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  });
}

// Threads and children end while they are looked at.

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
