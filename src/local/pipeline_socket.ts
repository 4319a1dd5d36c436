import { join } from "node:path";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { HttpClient, HttpError } from "../http/client.ts";
import { findSet } from "./running_record.ts";

const ASK_TIMEOUT_MS = 10_000;

/** The name of the socket in a state folder, of `outrigger pipeline` and of a sidecar's. */
export const PIPELINE_SOCKET = "pipeline.sock";

/** The folder in which `outrigger pipeline` keeps its state where nobody says another. */
export function defaultStateFolder(world: World): string {
  return join(world.processes.self.folder, ".outrigger");
}

/** Which process is meant: a folder of its own, or an App's sidecar in what `up` runs. */
export interface PipelinePlace {
  readonly state: string | null;
  readonly app: string | null;
}

/** @throws Failure "not-running", "usage" */
export function pipelineStateFolder(world: World, { state, app }: PipelinePlace): string {
  if (app === null) return state ?? defaultStateFolder(world);
  const { state: set, record } = findSet(world, null, []);
  const found = record.processes.find(
    ({ workload, admin }) =>
      admin !== null && (workload === app || workload.endsWith(`/${app}`)),
  );
  if (found?.admin == null) {
    const apps = record.processes.filter(({ admin }) => admin !== null);
    const names = apps.map(({ workload }) => workload).join(", ");
    throw new Failure("usage", `no App of what runs is called "${app}"`, `there are: ${names}`);
  }
  return set.workload(found.workload);
}

export class PipelineClient {
  readonly socket: string;
  #client: HttpClient;

  constructor(world: World, readonly stateFolder: string) {
    this.socket = join(stateFolder, PIPELINE_SOCKET);
    this.#client = new HttpClient(world, { maxIdle: 1 });
  }

  async isRunning(): Promise<boolean> {
    try {
      await this.ask("GET", "/stats");
      return true;
    } catch (error) {
      if (error instanceof Failure && error.kind === "not-running") return false;
      throw error;
    }
  }

  /** @throws Failure "not-running" where nobody answers, "refused" with what it said. */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    let answer;
    try {
      answer = await this.#client.request({
        method,
        address: { path: this.socket },
        path,
        timeoutMs: ASK_TIMEOUT_MS,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      throw new Failure(
        "not-running",
        `no pipeline answers at ${this.socket}: ${error.message}`,
        "start it with outrigger pipeline FILE, or say where it runs: --state DIR, --app NAME",
      );
    }
    const text = Buffer.from(answer.body).toString();
    if (answer.status === 409) {
      const { problem, advice } = JSON.parse(text) as { problem: string; advice: string | null };
      throw new Failure("refused", problem, advice ?? undefined);
    }
    if (answer.status !== 200) throw new Failure("refused", `${path}: ${answer.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  close(): void {
    this.#client.close();
  }
}
