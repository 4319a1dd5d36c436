import { join } from "node:path";

import { RestartBackoff } from "../base/backoff.ts";
import { LineSplitter } from "../base/lines.ts";
import { ownCommand } from "../base/own_command.ts";
import type { ChildProcess, ExitStatus, Timer, World } from "../base/world.ts";
import { HttpClient } from "../http/client.ts";

const RESTART_LIMITS = { baseMs: 500, maxMs: 30_000, resetAfterMs: 30_000 };
/** Resident; checked now and then, since a process cannot be trusted to watch itself. */
const MAX_RESIDENT_KIB = 256 * 1024;
const CHECK_MS = 5_000;
const STOP_WAIT_MS = 5_000;
const ASK_TIMEOUT_MS = 1_000;
/** It waits for sinks that go, as long as a stop does, and for itself. */
const RELOAD_TIMEOUT_MS = 15_000;

/**
 * The process in which a sidecar's pipelines run, so that nobody's expression ever stalls traffic.
 * Started again when it ends; it writes to the sidecar's own standard output.
 */
export class PipelineChild {
  restarts = 0;
  readonly #world: World;
  readonly #command: readonly string[];
  readonly #socket: string;
  readonly #log: (line: string) => void;
  readonly #client: HttpClient;
  readonly #backoff: RestartBackoff;
  #child: ChildProcess | null = null;
  #startedAt = 0;
  #timer: Timer | null = null;
  #check: Timer | null = null;
  #stopping = false;
  #ended: (() => void)[] = [];

  /** `snapshotFile` is the Snapshot in force; the child's admin socket lies in `stateFolder`. */
  constructor(
    world: World,
    snapshotFile: string,
    stateFolder: string,
    log: (line: string) => void,
  ) {
    this.#world = world;
    this.#socket = join(stateFolder, "pipeline.sock");
    this.#command = [
      ...ownCommand(world),
      "pipeline",
      ...["--snapshot", snapshotFile, "--admin-socket", this.#socket],
    ];
    this.#log = log;
    this.#client = new HttpClient(world);
    this.#backoff = new RestartBackoff(world.random, RESTART_LIMITS);
  }

  start(): void {
    this.#stopping = false;
    const talk = new LineSplitter((line) => this.#log(`pipeline: ${line}`));
    try {
      const child = this.#world.processes.spawn({
        command: this.#command,
        // It ends when this end of the pipe does: so also when the sidecar is killed.
        stdin: "pipe",
        // Shared, not passed through: whoever reads slowly then slows the pipelines, not the proxy.
        stdout: "inherit",
        stderr: (bytes) => talk.push(bytes),
        onExit: (status) => {
          talk.end();
          this.#exited(status);
        },
      });
      this.#child = child;
      this.#startedAt = this.#world.clock.now();
      this.#check = this.#world.clock.every(CHECK_MS, () => this.#checkMemory(child));
    } catch (error) {
      this.#again(error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * Has it go over to the Snapshot that is in its file by now, with its ports and what is under way.
   * False where it does not answer: then only another start helps.
   */
  async reload(): Promise<boolean> {
    const answer = await this.#request("POST", "/reload", RELOAD_TIMEOUT_MS);
    return answer !== null;
  }

  /** SIGTERM, a bounded wait, SIGKILL; resolves when it has ended. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.#timer?.cancel();
    const child = this.#child;
    if (child === null) return Promise.resolve();
    child.kill("SIGTERM");
    const kill = this.#world.clock.after(STOP_WAIT_MS, () => child.kill("SIGKILL"));
    return new Promise((resolve) => {
      this.#ended.push(() => {
        kill.cancel();
        resolve();
      });
    });
  }

  /** Empty where the child does not answer. */
  async metrics(): Promise<string> {
    const own =
      "# HELP outrigger_pipeline_restarts_total Restarts of the pipelines' process.\n" +
      "# TYPE outrigger_pipeline_restarts_total counter\n" +
      `outrigger_pipeline_restarts_total ${this.restarts}\n`;
    return `${own}${(await this.#ask("/metrics")) ?? ""}`;
  }

  /** Null where the child does not answer. */
  async ledgers(): Promise<unknown> {
    const text = await this.#ask("/stats");
    return text === null ? null : JSON.parse(text);
  }

  #ask(path: string): Promise<string | null> {
    return this.#request("GET", path, ASK_TIMEOUT_MS);
  }

  async #request(method: string, path: string, timeoutMs: number): Promise<string | null> {
    if (this.#child === null) return null;
    try {
      const address = { path: this.#socket };
      const answer = await this.#client.request({ method, address, path, timeoutMs });
      return answer.status === 200 ? Buffer.from(answer.body).toString() : null;
    } catch {
      // It starts, or is stuck: its figures are missing for now.
      return null;
    }
  }

  #checkMemory(child: ChildProcess): void {
    let status: string;
    try {
      status = this.#world.files.readText(`/proc/${child.pid}/status`);
    } catch {
      return;
    }
    const residentKib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    if (residentKib <= MAX_RESIDENT_KIB) return;
    this.#log(`pipeline: ${residentKib} KiB resident, ${MAX_RESIDENT_KIB} allowed: it is killed`);
    child.kill("SIGKILL");
  }

  #exited(status: ExitStatus): void {
    this.#child = null;
    this.#check?.cancel();
    for (const resolve of this.#ended.splice(0)) resolve();
    if (!this.#stopping) this.#again(`ended ${status.signal ?? `with status ${status.code}`}`);
  }

  #again(what: string): void {
    const delayMs = this.#backoff.nextMs(this.#world.clock.now() - this.#startedAt);
    this.restarts += 1;
    this.#log(`pipeline: ${what}; started again in ${(delayMs / 1000).toFixed(1)} s`);
    this.#timer = this.#world.clock.after(delayMs, () => this.start());
  }
}
