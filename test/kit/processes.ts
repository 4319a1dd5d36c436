import { readdirSync, readFileSync } from "node:fs";

/** What a test has stopped may take a moment to end. */
const END_BOUND_MS = 5_000;
const POLL_MS = 25;

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

/** Empty where all of it ends within a bound; otherwise what goes on. For a file's last test. */
export async function stillRunning(): Promise<readonly RunningProcess[]> {
  const end = performance.now() + END_BOUND_MS;
  while (leftProcesses().length > 0 && performance.now() < end) await Bun.sleep(POLL_MS);
  return leftProcesses();
}

export function commandLine(pid: number): string {
  return readProc(String(pid), "cmdline").split("\0").join(" ").trim();
}

/** By process ids that this test process has started, nothing else. */
export function killLeft(): void {
  // What starts others may do so between the look and the kill: a few rounds end it.
  for (let round = 0; round < 10; round += 1) {
    const left = leftProcesses();
    if (left.length === 0) return;
    for (const { pid } of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
  }
}

// A test run that is told to stop takes with it what it has started in the background.
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.on(signal, () => {
    killLeft();
    process.exit(code);
  });
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
