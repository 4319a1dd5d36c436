/** For tests: the real promtool in a folder of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** promtool calculates for seconds; a busy machine takes several times as long. */
export const PROMTOOL_TIMEOUT_MS = 60_000;

/** Null without promtool, which is a failure where the whole test run has to be complete. */
export const PROMTOOL = findPromtool();

function findPromtool(): string | null {
  const path = process.env.OUTRIGGER_PROMTOOL || Bun.which("promtool");
  if (path) return path;
  if (process.env.CI === "true") {
    throw new Error("promtool is missing: set OUTRIGGER_PROMTOOL to its path or put it on PATH");
  }
  console.log("skipped: no promtool; set OUTRIGGER_PROMTOOL or put it on PATH");
  return null;
}

export interface Promtool {
  run(...args: string[]): { readonly code: number; readonly output: string };
  /** Returns the name, by which promtool finds it. */
  write(name: string, text: string): string;
}

export function withPromtool(use: (promtool: Promtool) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "outrigger-promtool-"));
  try {
    use({
      run: (...args) => {
        const done = Bun.spawnSync([PROMTOOL as string, ...args], { cwd: folder });
        return { code: done.exitCode, output: `${done.stdout}${done.stderr}` };
      },
      write: (name, text) => {
        writeFileSync(join(folder, name), text);
        return name;
      },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
