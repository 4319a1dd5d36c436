import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SetStatus } from "../../src/local/status.ts";
import { isAlive } from "./processes.ts";
import { until, untilTrue } from "./poll.ts";

export const ROOT = join(import.meta.dir, "..", "..");
export const PROGRAM = join(ROOT, "bin", "outrigger");

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program in the foreground, whose output can be looked at while it runs. */
export interface Started {
  readonly pid: number;
  readonly output: () => string;
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
}

/** A temporary folder with files, and Outrigger's state in it: nothing of the user's is touched. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), "ot-"));
  readonly home = join(this.folder, "state");
  readonly #started: Started[] = [];

  constructor(
    readonly program: readonly string[] = [PROGRAM],
    private readonly env: Readonly<Record<string, string>> = {},
  ) {}

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  /** Runs `outrigger ARGS` to its end. */
  outrigger(...args: string[]): Promise<Ended> {
    return this.start(...args).ended;
  }

  start(...args: string[]): Started {
    return this.startProgram([...this.program, ...args]);
  }

  startProgram(command: readonly string[], folder = this.folder): Started {
    const child = Bun.spawn([...command], {
      cwd: folder,
      // What the make and the Bun that run these tests were told is not for those that they start:
      // Bun's --no-orphans would end what `up --detach` leaves running.
      env: {
        ...process.env,
        ...this.env,
        OUTRIGGER_HOME: this.home,
        NO_COLOR: "1",
        MAKEFLAGS: "",
        BUN_FEATURE_FLAG_NO_ORPHANS: undefined,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const texts = ["", ""];
    const read = async (stream: ReadableStream<Uint8Array>, index: number): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const bytes of stream) texts[index] += decoder.decode(bytes, { stream: true });
    };
    const reading = Promise.all([read(child.stdout, 0), read(child.stderr, 1)]);
    const ended = child.exited.then(async (status): Promise<Ended> => {
      await reading;
      return { status, stdout: texts[0] ?? "", stderr: texts[1] ?? "" };
    });
    const started: Started = {
      pid: child.pid,
      output: () => texts.join(""),
      ended,
      kill: (signal) => child.kill(signal),
    };
    this.#started.push(started);
    return started;
  }

  /** `up --detach`; fails with its words where it does not get ready. */
  async up(...files: string[]): Promise<void> {
    const { status, stderr } = await this.outrigger("up", "--detach", ...files);
    if (status !== 0) throw new Error(`up ended with ${status}: ${stderr}`);
  }

  async status(): Promise<SetStatus> {
    const { status, stdout, stderr } = await this.outrigger("status", "-o", "json");
    // 9 where `up` was killed: it says what is left all the same.
    if (stdout === "") throw new Error(`status ended with ${status}: ${stderr}`);
    return JSON.parse(stdout) as SetStatus;
  }

  async process(id: string): Promise<SetStatus["processes"][number]> {
    const { processes } = await this.status();
    const found = processes.find((one) => one.id === id);
    if (found === undefined) {
      throw new Error(`${id} is not among ${processes.map((one) => one.id).join(", ")}`);
    }
    return found;
  }

  /** Of a process of the set; fails where it does not run. */
  async pidOf(id: string): Promise<number> {
    const { pid, state } = await this.process(id);
    if (pid === null) throw new Error(`${id} does not run: it is ${state}`);
    return pid;
  }

  /** Kills a process of the set with SIGKILL; resolves once another is ready in its stead. */
  async killAndAwaitReturn(id: string): Promise<SetStatus["processes"][number]> {
    const before = await this.pidOf(id);
    process.kill(before, "SIGKILL");
    await untilTrue(`${id} is gone`, () => !isAlive(before));
    return until(`${id} is back`, async () => {
      const now = await this.process(id);
      return now.state === "ready" && now.pid !== null && now.pid !== before ? now : null;
    });
  }

  /** Stops what runs here and removes the folder; also after a failure. */
  async end(): Promise<void> {
    await this.outrigger("down").catch(() => {});
    for (const started of this.#started) started.kill("SIGKILL");
    await Promise.all(this.#started.map(({ ended }) => ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
