/**
 * The running demo: which files a stage is, starting and stopping it, and what it says of itself.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createBunWorld } from "../src/base/bun/mod.ts";
import { Failure } from "../src/base/failure.ts";
import { runDown } from "../src/local/down.ts";
import { findSet } from "../src/local/running_record.ts";
import { stateHome } from "../src/local/state_folder.ts";
import { type SetStatus, statusOf } from "../src/local/status.ts";

export const STAGES = ["initial", "v1", "v2", "v3"] as const;
export type Stage = (typeof STAGES)[number];

/** What `up` calls it: one name for all stages, so that the next replaces the last. */
export const SET_NAME = "shop";
export const FRONTEND_URL = "http://127.0.0.1:8080";
/** Its switch and its count are there too: /admin/mode, /admin/count. */
export const API_URL = "http://127.0.0.1:9000";
export const SEARCH_URL = "http://127.0.0.1:9200";

export const ROOT = join(import.meta.dir, "..");
const SHOP = join(ROOT, "examples", "shop");
const world = createBunWorld();

export function isStage(word: string | undefined): word is Stage {
  return (STAGES as readonly (string | undefined)[]).includes(word);
}

export function stageFiles(stage: Stage): string[] {
  const files = [join(SHOP, `${stage}.yaml`)];
  if (stage === "v2" || stage === "v3") files.push(join(SHOP, "elasticsearch.yaml"));
  return files;
}

/**
 * Starts a stage in the background, in place of the one that runs, and waits until it is ready.
 * Returns the exit code of `up`, which has said on stderr why it failed.
 */
export async function startStage(stage: Stage): Promise<number> {
  await stopShop();
  const command = [process.execPath, "src/main.ts", "up", "--detach", "--name", SET_NAME];
  const child = Bun.spawn([...command, ...stageFiles(stage)], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return child.exited;
}

/** Returns whether something ran. */
export async function stopShop(): Promise<boolean> {
  try {
    await runDown(world, { name: SET_NAME, files: [] });
    return true;
  } catch (error) {
    if (error instanceof Failure && error.kind === "not-running") return false;
    throw error;
  }
}

/** Removes what the demo leaves behind. Only when it is stopped. */
export function removeTraces(): void {
  for (const folder of [join(stateHome(world), SET_NAME), join(SHOP, "api", "logs")]) {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Null where nothing runs. */
export async function shopStatus(): Promise<SetStatus | null> {
  try {
    return await statusOf(world, findSet(world, SET_NAME, []).record);
  } catch (error) {
    if (error instanceof Failure && error.kind === "not-running") return null;
    throw error;
  }
}
