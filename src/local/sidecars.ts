import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { HttpClient, HttpError } from "../http/client.ts";
import { type JsonLine, readJsonLines } from "../http/json_lines.ts";
import { findSet, type RunningRecord } from "./running_record.ts";

const ASK_TIMEOUT_MS = 3_000;

/** A sidecar's admin API. */
export interface AdminPlace {
  /** `namespace/name`, or `gateway`; with a socket alone the socket's path. */
  readonly workload: string;
  readonly socket: string;
}

/** Which sidecars a command means: one by its socket, or one or all of a set that runs. */
export interface WantedSidecars {
  readonly socket: string | null;
  /** The set's name. */
  readonly set: string | null;
  /** `NAME` or `NAMESPACE/NAME`. */
  readonly app: string | null;
}

/**
 * @throws Failure "not-running" where nothing runs or no sidecar stands beside the App, "usage"
 *   where several sets run, or no App has that name.
 */
export function placesOf(world: World, { socket, set, app }: WantedSidecars): AdminPlace[] {
  if (socket !== null) {
    if (app !== null) throw new Failure("usage", "--socket with an App's name", "leave one out");
    return [{ workload: socket, socket }];
  }
  const { record } = findSet(world, set, []);
  const all = sidecarsOf(record);
  if (app === null) {
    if (all.length > 0) return all;
    const advice = "sidecar.enabled is false for each of its Apps";
    throw new Failure("not-running", `no sidecar runs in ${record.name}`, advice);
  }
  const found = all.filter(({ workload }) => isNamed(workload, app));
  if (found.length === 1) return found;
  const known = `there are: ${all.map(({ workload }) => workload).join(", ")}`;
  if (found.length > 1) throw new Failure("usage", `several Apps are named ${app}`, known);
  if (record.processes.some(({ workload }) => isNamed(workload, app))) {
    throw new Failure("not-running", `no sidecar stands beside ${app}`, known);
  }
  throw new Failure("usage", `no App of ${record.name} is named ${app}`, known);
}

function sidecarsOf({ processes }: RunningRecord): AdminPlace[] {
  return processes.flatMap(({ id, role, workload, admin }) =>
    admin === null ? [] : [{ workload: role === "gateway" ? id : workload, socket: admin.socket }],
  );
}

function isNamed(workload: string, word: string): boolean {
  return workload === word || workload.slice(workload.indexOf("/") + 1) === word;
}

/** @throws Failure "not-running", or "refused" with the sidecar's reason. */
export async function askAdmin<Value>(
  world: World,
  place: AdminPlace,
  path: string,
  more: { readonly method?: string; readonly body?: unknown } = {},
): Promise<Value> {
  const { method = "GET", body } = more;
  const answer = await new HttpClient(world)
    .request({
      ...{ method, path, address: { path: place.socket }, timeoutMs: ASK_TIMEOUT_MS },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    .catch((error: unknown) => {
      throw silent(place, error);
    });
  return answerOf(place, answer.status, answer.body) as Value;
}

/** Those that answer, in order, and what is wrong with the others. */
export interface Answers<Value> {
  readonly answers: readonly (readonly [AdminPlace, Value])[];
  readonly silent: readonly Failure[];
}

/** @throws Failure the first one's, where none answers. */
export async function askAll<Value>(
  world: World,
  places: readonly AdminPlace[],
  path: string,
): Promise<Answers<Value>> {
  const asked = places.map((place) => askAdmin<Value>(world, place, path));
  const settled = await Promise.allSettled(asked);
  const silentOnes: Failure[] = [];
  const answers = settled.flatMap((one, index) => {
    if (one.status === "fulfilled") return [[places[index]!, one.value] as const];
    if (!(one.reason instanceof Failure)) throw one.reason;
    silentOnes.push(one.reason);
    return [];
  });
  if (answers.length === 0 && silentOnes[0] !== undefined) throw silentOnes[0];
  return { answers, silent: silentOnes };
}

/**
 * Follows an answer of JSON lines until it ends, or the signal ends it.
 * @throws Failure "not-running", or "refused" with the sidecar's reason.
 */
export async function followAdmin(
  world: World,
  place: AdminPlace,
  path: string,
  abort: AbortSignal,
  onLine: (line: JsonLine) => void,
  more: { readonly method?: string; readonly body?: unknown } = {},
): Promise<void> {
  const { method = "GET", body } = more;
  const request = {
    ...{ method, path, address: { path: place.socket }, timeoutMs: 0, abort },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  try {
    const answer = await readJsonLines(new HttpClient(world), request, onLine);
    if (answer.status !== 200) answerOf(place, answer.status, answer.body);
  } catch (error) {
    if (error instanceof HttpError && error.code === "aborted") return;
    throw silent(place, error);
  }
}

function silent({ workload, socket }: AdminPlace, error: unknown): unknown {
  if (!(error instanceof HttpError)) return error;
  const who = workload === socket ? socket : `the sidecar of ${workload} (${socket})`;
  const advice = "is it running? outrigger status shows what runs";
  return new Failure("not-running", `${who} does not answer: ${error.message}`, advice);
}

interface Refusal {
  readonly problem: string;
  readonly advice: string | null;
}

function answerOf({ workload }: AdminPlace, status: number, body: Uint8Array): unknown {
  const text = Buffer.from(body).toString();
  if (status === 200) return JSON.parse(text);
  if (status === 404) {
    const advice = "it is of an older version: start it anew";
    throw new Failure("refused", `the sidecar of ${workload} does not know that`, advice);
  }
  const said = status === 409 ? (JSON.parse(text) as Refusal) : null;
  const problem = said?.problem ?? `it answered ${status}: ${text.trim().slice(0, 200)}`;
  throw new Failure("refused", `${workload}: ${problem}`, said?.advice ?? undefined);
}
