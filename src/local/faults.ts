import type { FaultOrder, FaultPolicy, FaultStatus } from "../api/fault.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { HttpClient, HttpError } from "../http/client.ts";
import { askStats } from "./collect_stats.ts";
import type { RunningRecord } from "./running_record.ts";

const ASK_TIMEOUT_MS = 2_000;

/** Where a fault is put: the listener of a sidecar. */
export interface FaultTarget {
  /** `namespace/name`. */
  readonly workload: string;
  readonly socket: string;
  readonly listener: string;
}

export interface FaultOf extends FaultStatus {
  readonly workload: string;
}

interface RunningSidecar {
  readonly workload: string;
  readonly socket: string;
  readonly listeners: readonly string[];
}

/** The sidecars of a running set that answer. */
async function sidecarsOf(world: World, record: RunningRecord): Promise<RunningSidecar[]> {
  const client = new HttpClient(world);
  const asked = record.processes.map(async ({ workload, admin }) => {
    if (admin === null) return [];
    const stats = await askStats(client, admin.socket);
    if (stats === null) return [];
    const listeners = stats.listeners.map(({ name }) => name);
    return [{ workload, socket: admin.socket, listeners }];
  });
  return (await Promise.all(asked)).flat();
}

/**
 * What a word means: `APP` is what reaches it, `APP:CALL` what it calls by that name; a plain word
 * that names no App is a call that only one App has.
 * @throws Failure "usage" where it names nothing, or several.
 */
export async function findTarget(
  world: World,
  record: RunningRecord,
  word: string,
): Promise<FaultTarget> {
  const all = (await sidecarsOf(world, record)).flatMap(({ workload, socket, listeners }) =>
    listeners.map((listener): FaultTarget => ({ workload, socket, listener })),
  );
  const apps = all.filter((one) => isNamed(one, word) && !one.listener.startsWith("call:"));
  const found = apps.length > 0 ? apps : all.filter((one) => isCall(one, word));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const names = all.map(targetName);
  if (found.length > 1) {
    const meant = found.map(targetName).join(", ");
    throw new Failure("usage", `"${word}" is several: ${meant}`, "name one of them");
  }
  const advice = names.length === 0 ? "no sidecar answers" : `there are: ${names.join(", ")}`;
  throw new Failure("usage", `"${word}" is neither an App nor a call of what runs`, advice);
}

/** As a user names it. */
export function targetName({ workload, listener }: FaultTarget | FaultOf): string {
  return listener.startsWith("call:") ? `${workload}:${listener.slice(5)}` : workload;
}

function isNamed({ workload }: FaultTarget, word: string): boolean {
  return workload === word || workload.slice(workload.indexOf("/") + 1) === word;
}

function isCall(target: FaultTarget, word: string): boolean {
  if (!target.listener.startsWith("call:")) return false;
  const call = target.listener.slice(5);
  const colon = word.lastIndexOf(":");
  if (colon < 0) return call === word;
  return call === word.slice(colon + 1) && isNamed(target, word.slice(0, colon));
}

/** Faults in force, of all that runs or of one target. */
export async function listFaults(
  world: World,
  record: RunningRecord,
  target: FaultTarget | null,
): Promise<readonly FaultOf[]> {
  const sidecars = target === null ? await sidecarsOf(world, record) : [target];
  const lists = sidecars.map(async ({ workload, socket }) => {
    const faults = await ask(world, socket, { method: "GET", path: "/faults" });
    return faults.map((one) => ({ ...one, workload }));
  });
  const all = (await Promise.all(lists)).flat();
  return target === null ? all : all.filter(({ listener }) => listener === target.listener);
}

/** @throws Failure "refused" with the sidecar's reason. */
export async function putFault(
  world: World,
  { socket, listener }: FaultTarget,
  fault: FaultPolicy,
  more: Pick<FaultOrder, "route" | "forMs">,
): Promise<void> {
  const body = JSON.stringify({ listener, fault, ...more } satisfies FaultOrder);
  await ask(world, socket, { method: "PUT", path: "/faults", body });
}

export async function clearFaults(
  world: World,
  { socket, listener }: FaultTarget,
  route: string | null,
): Promise<void> {
  const query = new URLSearchParams({ listener, ...(route === null ? {} : { route }) });
  await ask(world, socket, { method: "DELETE", path: `/faults?${query}` });
}

async function ask(
  world: World,
  socket: string,
  request: { readonly method: string; readonly path: string; readonly body?: string },
): Promise<readonly FaultStatus[]> {
  const options = { ...request, address: { path: socket }, timeoutMs: ASK_TIMEOUT_MS };
  const answer = await new HttpClient(world).request(options).catch((error: unknown) => {
    if (!(error instanceof HttpError)) throw error;
    throw new Failure("not-running", `the sidecar at ${socket} does not answer: ${error.message}`);
  });
  const value = JSON.parse(Buffer.from(answer.body).toString()) as {
    readonly faults?: readonly FaultStatus[];
    readonly problem?: string;
  };
  if (answer.status === 200) return value.faults ?? [];
  throw new Failure("refused", value.problem ?? `the sidecar answered ${answer.status}`);
}
