import { EXIT_CODES, Failure, type FailureKind } from "../base/failure.ts";
import { ownCommand } from "../base/own_command.ts";
import type { ExitStatus, World } from "../base/world.ts";
import { loadFiles } from "./load_set.ts";
import { isUp, readRecord, type RunningRecord } from "./running_record.ts";
import { setNameOf, StateFolder, stateHome } from "./state_folder.ts";
import type { UpOptions } from "./up.ts";

/** Beyond the time that `up` itself waits for its apps. */
const SLACK_MS = 15_000;
const POLL_MS = 50;

/**
 * `outrigger up --detach`: starts `up` in the background and returns when everything is ready.
 *
 * @throws Failure: the one that ended the `up` in the background, or that it does not get ready.
 */
export async function runDetached(
  world: World,
  options: Pick<UpOptions, "files" | "name" | "waitMs">,
): Promise<RunningRecord> {
  if (options.files.includes("-")) {
    const advice = "write it to a file, or leave --detach out";
    throw new Failure("usage", "what runs in the background cannot read standard input", advice);
  }
  // Here, so that what is wrong with the files is said where it can be read.
  await loadFiles(world, options.files);
  const name = options.name ?? setNameOf(world, options.files);
  const state = new StateFolder(world, stateHome(world), name);
  const running = readRecord(state);
  if (running !== null && (await isUp(world, running))) {
    const advice = `outrigger down --name ${name} stops it`;
    throw new Failure("already-running", `${name} runs already: process ${running.up.pid}`, advice);
  }
  state.make();
  world.files.remove(state.failure);
  let exit: ExitStatus | null = null;
  const wait = `${options.waitMs}ms`;
  const child = world.processes.spawn({
    command: [
      ...ownCommand(world),
      ...["up", "--background", "--name", name, "--wait", wait, "--", ...options.files],
    ],
    folder: world.processes.self.folder,
    ownGroup: true,
    onExit: (status) => (exit = status),
  });
  const end = world.clock.now() + options.waitMs + SLACK_MS;
  while (world.clock.now() < end) {
    const record = readRecord(state);
    if (record?.up.pid === child.pid && record.phase === "ready") return record;
    if (exit !== null) throw readFailure(state) ?? ended(exit, state);
    await world.clock.sleep(POLL_MS);
  }
  world.processes.signal(child.pid, "SIGTERM", "process");
  throw new Failure("upstream-unreachable", `${name} did not get ready; it was told to stop`);
}

/** Called by the `up` in the background: nobody sees what it prints. */
export function writeFailure(
  world: World,
  options: { readonly files: readonly string[]; readonly name: string | null },
  failure: Failure,
): void {
  const name = options.name ?? setNameOf(world, options.files);
  const state = new StateFolder(world, stateHome(world), name);
  const { kind, message, advice } = failure;
  state.writeJson(state.failure, { kind, message, advice: advice ?? null });
}

function readFailure(state: StateFolder): Failure | null {
  const value = state.readJson(state.failure) as {
    kind?: string;
    message?: string;
    advice?: string | null;
  } | null;
  if (value === null || value.kind === undefined || !(value.kind in EXIT_CODES)) return null;
  return new Failure(value.kind as FailureKind, value.message ?? "", value.advice ?? undefined);
}

/** It ended without leaving word, for example on a full disk: its status says why all the same. */
function ended(status: ExitStatus, state: StateFolder): Failure {
  const kinds = Object.entries(EXIT_CODES) as [FailureKind, number][];
  const kind = kinds.find(([, code]) => code === status.code)?.[0] ?? null;
  const how = status.signal ?? `status ${status.code}${kind === null ? "" : ` (${kind})`}`;
  const advice = `what it said: ${state.log("outrigger")}; or start it without --detach`;
  return new Failure(kind ?? "internal", `the up in the background ended with ${how}`, advice);
}
