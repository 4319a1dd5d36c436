import { readdirSync, readFileSync } from "node:fs";

/** In the environment of everything that this test process starts, and of all that they start. */
const MARK = "OUTRIGGER_TEST_RUN";
process.env[MARK] = `${process.pid}-${Date.now()}`;

export interface RunningProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes that carry `NAME=VALUE` in their environment, this one aside. Needs /proc. */
export function carriers(name: string, value: string): readonly RunningProcess[] {
  const entry = `${name}=${value}`;
  return readdirSync("/proc")
    .filter((one) => /^[0-9]+$/.test(one) && Number(one) !== process.pid)
    .flatMap((one): RunningProcess[] => {
      if (!readProc(one, "environ").split("\0").includes(entry)) return [];
      // A zombie has ended; its number waits for a parent that asks.
      if (/\) Z /.test(readProc(one, "stat"))) return [];
      return [{ pid: Number(one), command: commandLine(Number(one)) }];
    });
}

/** All that is left of what this test process started. */
export function leftProcesses(): readonly RunningProcess[] {
  return carriers(MARK, process.env[MARK] ?? "");
}

export function commandLine(pid: number): string {
  return readProc(String(pid), "cmdline").split("\0").join(" ").trim();
}

/** By process ids that this test process has started, nothing else. */
export function killLeft(): void {
  for (const { pid } of leftProcesses()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

export function isAlive(pid: number): boolean {
  return readProc(String(pid), "stat") !== "" && !/\) Z /.test(readProc(String(pid), "stat"));
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
