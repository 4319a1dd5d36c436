import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { isSameProcess, type ProcessMark } from "./process_mark.ts";
import { knownSets, setNameOf, StateFolder, stateHome } from "./state_folder.ts";
import type { ProcessState } from "./supervised_process.ts";

/** running.json: what `up` runs, for `status`, `down`, `logs` and the next `up`. */
export interface RunningRecord {
  readonly name: string;
  /** As they were given. */
  readonly files: readonly string[];
  /** From where. */
  readonly folder: string;
  readonly up: ProcessMark;
  readonly phase: "starting" | "ready" | "stopping";
  readonly startedMs: number;
  /** The console page's URL; null where none is served. */
  readonly console: string | null;
  readonly processes: readonly ProcessRecord[];
}

export interface ProcessRecord {
  readonly id: string;
  readonly label: string;
  readonly role: "app" | "sidecar" | "gateway";
  readonly workload: string;
  readonly state: ProcessState;
  readonly mark: ProcessMark | null;
  readonly restarts: number;
  readonly port: number | null;
  /** The sidecar's admin API; null for an app. */
  readonly admin: { readonly readOnly: string; readonly socket: string } | null;
}

export function readRecord(state: StateFolder): RunningRecord | null {
  const value = state.readJson(state.running);
  if (typeof value !== "object" || value === null || !("up" in value)) return null;
  return value as RunningRecord;
}

export async function isUp(world: World, record: RunningRecord): Promise<boolean> {
  return isSameProcess(world, record.up);
}

/** Marks of everything that the record says was started. */
export function marksOf(record: RunningRecord): readonly ProcessMark[] {
  return record.processes.flatMap(({ mark }) => (mark === null ? [] : [mark]));
}

/**
 * The set that a command means: by name, by the files that it was started with, or the only one.
 *
 * @throws Failure "not-running" where there is none, "usage" where there are several.
 */
export function findSet(
  world: World,
  name: string | null,
  files: readonly string[],
): { readonly state: StateFolder; readonly record: RunningRecord } {
  const home = stateHome(world);
  const at = (one: string) => {
    const state = new StateFolder(world, home, one);
    const record = readRecord(state);
    return record === null ? null : { state, record };
  };
  const wanted = name ?? (files.length > 0 ? setNameOf(world, files) : null);
  if (wanted !== null) {
    const found = at(wanted);
    if (found !== null) return found;
    const advice = runningAdvice(world, home);
    throw new Failure("not-running", `nothing of the name ${wanted} runs`, advice);
  }
  const all = knownSets(world, home).flatMap((one) => at(one) ?? []);
  const [only] = all;
  if (only === undefined) {
    throw new Failure("not-running", "nothing runs", "outrigger up FILE... starts something");
  }
  if (all.length > 1) {
    const names = all.map(({ record }) => record.name).join(", ");
    throw new Failure("usage", `several sets run: ${names}`, "say which one with --name");
  }
  return only;
}

function runningAdvice(world: World, home: string): string {
  const names = knownSets(world, home).filter(
    (one) => readRecord(new StateFolder(world, home, one)) !== null,
  );
  return names.length === 0 ? "nothing else runs either" : `what runs: ${names.join(", ")}`;
}
