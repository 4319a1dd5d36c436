/**
 * A process starts its program's file anew, which by now may be another version, and hands its
 * listening sockets on to it: no port is closed in between, and no request is lost. Both talk over a
 * unix socket of the old one: the new one asks what it inherits, listens, says that it is ready; the
 * old one then accepts no more, stops its pipelines, and answers.
 */
import { join } from "node:path";

import { Failure } from "../base/failure.ts";
import { ownCommand } from "../base/own_command.ts";
import type { ChildProcess, ExitStatus, ListeningSocket, Timer, World } from "../base/world.ts";
import { HttpClient, HttpError } from "../http/client.ts";
import { HttpServer, jsonAnswer, type ServerAnswer, textAnswer } from "../http/server.ts";

/** Hidden from people: only a predecessor gives it. */
export const TAKE_OVER_OPTION = "take-over";

/** From the start of a successor until it serves. */
const READY_WAIT_MS = 30_000;
/** The old process's pipelines are given 5 s to end. */
const HAND_OVER_WAIT_MS = 10_000;
/** The child gets its descriptors behind stdin, stdout and stderr. */
const FIRST_DESCRIPTOR = 3;

/** What a successor finds when it asks. */
export interface Inheritance {
  /** The process that was started first, and stays. */
  readonly keeper: number;
  /** The Snapshot in force. */
  readonly snapshotFile: string;
  readonly sockets: readonly ListeningSocket[];
}

export interface UpgradeOptions {
  readonly keeper: number;
  readonly stateFolder: string;
  readonly snapshotFile: string;
  readonly sockets: readonly ListeningSocket[];
  /** The successor serves: resolves when all is its to open. */
  readonly handOver: (pid: number) => Promise<void>;
  /** After the hand-over, once; of an earlier end `successor` tells. */
  readonly onExit: (pid: number, status: ExitStatus) => void;
}

/** The old process's side. */
export class Upgrade {
  /** Its process id, once it has taken over. Rejects with a Failure that says what went wrong. */
  readonly successor: Promise<number>;
  readonly #world: World;
  readonly #options: UpgradeOptions;
  readonly #server: HttpServer;
  readonly #timer: Timer;
  #child: ChildProcess | null = null;
  #resolve!: (pid: number) => void;
  #reject!: (failure: Failure) => void;
  #isOver = false;
  #isDone = false;
  /** What the successor said of its failure. */
  #said = "";

  constructor(world: World, options: UpgradeOptions) {
    this.#world = world;
    this.#options = options;
    this.successor = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const path = join(options.stateFolder, "upgrade.sock");
    world.files.remove(path);
    this.#server = new HttpServer(world, {
      address: { path },
      mode: 0o600,
      handle: ({ method, path, body }) => this.#answer(`${method} ${path}`, body),
    });
    const tooLate = `the new process did not serve within ${READY_WAIT_MS / 1_000} s`;
    this.#timer = world.clock.after(READY_WAIT_MS, () => this.abort(tooLate));
    try {
      this.#server.start();
      this.#child = this.#spawn(path);
    } catch (error) {
      this.abort((error as Error).message);
    }
  }

  /** Gives it up, unless it is done. */
  abort(why: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#child?.kill("SIGKILL");
    this.#reject(new Failure("refused", `the upgrade failed, the old process goes on: ${why}`));
  }

  #end(): void {
    this.#isOver = true;
    this.#timer.cancel();
    this.#server.stop();
  }

  #spawn(path: string): ChildProcess {
    const args = [...this.#world.processes.self.args];
    const given = args.indexOf(`--${TAKE_OVER_OPTION}`);
    if (given >= 0) args.splice(given, 2);
    const child = this.#world.processes.spawn({
      command: [...ownCommand(this.#world), ...args, `--${TAKE_OVER_OPTION}`, path],
      descriptors: this.#options.sockets.map(({ descriptor }) => descriptor),
      stdout: "inherit",
      stderr: "inherit",
      onExit: (status) => {
        if (this.#isDone) return this.#options.onExit(child.pid, status);
        const how = status.signal ?? `with status ${status.code}`;
        this.abort(this.#said === "" ? `the new process ended ${how}` : this.#said);
      },
    });
    return child;
  }

  async #answer(request: string, body: Uint8Array): Promise<ServerAnswer> {
    const { keeper, snapshotFile, sockets } = this.#options;
    switch (request) {
      case "GET /inheritance": {
        const theirs = sockets.map((one, at) => ({ ...one, descriptor: FIRST_DESCRIPTOR + at }));
        return jsonAnswer(200, { keeper, snapshotFile, sockets: theirs } satisfies Inheritance);
      }
      case "POST /ready":
        if (this.#isOver) return textAnswer(409, "too late");
        this.#isOver = this.#isDone = true;
        await this.#options.handOver(this.#child!.pid);
        this.#resolve(this.#child!.pid);
        this.#end();
        return jsonAnswer(200, {});
      case "POST /failed":
        this.#said = Buffer.from(body).toString();
        return jsonAnswer(200, {});
      default:
        return textAnswer(404, "known here: GET /inheritance, POST /ready /failed");
    }
  }
}

/** The new process's side. */
export class Predecessor {
  readonly #client: HttpClient;
  readonly #address: { readonly path: string };

  constructor(world: World, socket: string) {
    this.#client = new HttpClient(world);
    this.#address = { path: socket };
  }

  /** @throws HttpError where it does not answer. */
  async inheritance(): Promise<Inheritance> {
    const { body } = await this.#ask("GET", "/inheritance", "");
    return JSON.parse(Buffer.from(body).toString()) as Inheritance;
  }

  /**
   * Resolves when the old process has let everything go, or is gone itself.
   * @throws Failure `refused` where it no longer wants to.
   */
  async ready(): Promise<void> {
    try {
      const { status } = await this.#ask("POST", "/ready", "");
      if (status !== 200) throw new Failure("refused", "the old process goes on by itself");
    } catch (error) {
      // What it held is free then.
      if (!(error instanceof HttpError)) throw error;
    }
  }

  async failed(why: string): Promise<void> {
    await this.#ask("POST", "/failed", why).catch(() => {});
  }

  #ask(method: string, path: string, body: string) {
    const timeoutMs = HAND_OVER_WAIT_MS;
    return this.#client.request({ method, path, body, timeoutMs, address: this.#address });
  }
}
