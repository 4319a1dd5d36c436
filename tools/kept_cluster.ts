/** The cluster that stays until somebody ends it: where it is, and how one looks at it. */
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** OUTRIGGER_CLUSTER sets another. */
export const CLUSTER_FOLDER = process.env["OUTRIGGER_CLUSTER"] ?? join(tmpdir(), "outrigger-cluster");

export const HOW_TO_LOOK = `\
  a shell in its network   make cluster_shell      kubectl is there, and bin/outrigger
  the end                  make cluster_down`;

export function clusterRuns(): boolean {
  const file = join(CLUSTER_FOLDER, "run", "node1.init");
  if (!existsSync(file)) return false;
  return existsSync(`/proc/${readFileSync(file, "utf8").trim()}`);
}
