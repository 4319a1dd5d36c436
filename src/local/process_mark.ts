import type { World } from "../base/world.ts";

/**
 * Says that a process is still the one that was started: its number alone may belong to another one
 * by now.
 */
export interface ProcessMark {
  readonly pid: number;
  /** Boot and start time as the kernel counts it; null where there is no /proc. */
  readonly start: string | null;
  /** Wall clock; decides where `start` is null. */
  readonly startedMs: number;
}

/** `ps` prints whole seconds, and the clock is read a moment after the start. */
const PS_TOLERANCE_MS = 3_000;

export function markProcess(world: World, pid: number): ProcessMark {
  return { pid, start: kernelStart(world, pid), startedMs: world.clock.wallMs() };
}

export async function isSameProcess(world: World, mark: ProcessMark): Promise<boolean> {
  if (!world.processes.isAlive(mark.pid)) return false;
  if (mark.start !== null) return kernelStart(world, mark.pid) === mark.start;
  const startedMs = await psStart(world, mark.pid);
  return startedMs !== null && Math.abs(startedMs - mark.startedMs) <= PS_TOLERANCE_MS;
}

/** Fields of proc(5) stat from the third on: the second is a name that may hold anything. */
export function statFields(world: World, pid: number): readonly string[] | null {
  try {
    const stat = world.files.readText(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

/** proc(5): field 22 of stat is the start in ticks since boot. */
function kernelStart(world: World, pid: number): string | null {
  const ticks = statFields(world, pid)?.[19];
  if (ticks === undefined) return null;
  try {
    return `${world.files.readText("/proc/sys/kernel/random/boot_id").trim()}:${ticks}`;
  } catch {
    return `:${ticks}`;
  }
}

function psStart(world: World, pid: number): Promise<number | null> {
  return new Promise((resolve) => {
    let text = "";
    try {
      world.processes.spawn({
        command: ["ps", "-o", "lstart=", "-p", String(pid)],
        env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
        stdout: (bytes) => (text += Buffer.from(bytes).toString()),
        onExit: () => {
          const startedMs = Date.parse(text.trim());
          resolve(Number.isNaN(startedMs) ? null : startedMs);
        },
      });
    } catch {
      resolve(null);
    }
  });
}
