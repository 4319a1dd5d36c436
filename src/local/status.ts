import type { ProxyStats } from "../api/stats.ts";
import type { World } from "../base/world.ts";
import { HttpClient } from "../http/client.ts";
import { askStats } from "./collect_stats.ts";
import { isUp, type ProcessRecord, type RunningRecord } from "./running_record.ts";

export interface SetStatus {
  readonly name: string;
  readonly phase: RunningRecord["phase"] | "killed";
  readonly up: number;
  readonly startedMs: number;
  readonly files: readonly string[];
  readonly console: string | null;
  readonly processes: readonly ProcessStatus[];
}

export interface ProcessStatus extends ProcessRecord {
  readonly pid: number | null;
  readonly upMs: number | null;
  /** Of a sidecar or the gateway that answers. */
  readonly stats: ProxyStats | null;
}

/** What a record says, beside what its sidecars answer now. */
export async function statusOf(world: World, record: RunningRecord): Promise<SetStatus> {
  const client = new HttpClient(world);
  const processes = await Promise.all(
    record.processes.map(async (process): Promise<ProcessStatus> => {
      const { mark, admin } = process;
      const alive = mark !== null && world.processes.isAlive(mark.pid);
      return {
        ...process,
        pid: alive ? mark.pid : null,
        upMs: alive ? world.clock.wallMs() - mark.startedMs : null,
        stats: admin !== null && alive ? await askStats(client, admin.socket) : null,
      };
    }),
  );
  return {
    name: record.name,
    phase: (await isUp(world, record)) ? record.phase : "killed",
    up: record.up.pid,
    startedMs: record.startedMs,
    files: record.files,
    console: record.console,
    processes,
  };
}
