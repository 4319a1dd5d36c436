import { readFileSync, statSync } from "node:fs";
import { assert } from "../assert.ts";
import { ProcessError } from "../world.ts";
import type {
  ChildProcess,
  ExitStatus,
  PortHolder,
  Processes,
  ProcessUsage,
  Self,
  SignalName,
  SpawnOptions,
} from "../world.ts";
import { endProcess } from "./libc.ts";
import { adoptOrphans } from "./orphans.ts";
import { holderOfPort } from "./port_holder.ts";
import type { Uncaught } from "./uncaught.ts";

/** Bun obeys them even in a compiled program: inherited, they would change what a child is. */
const BUN_VARIABLES = ["BUN_BE_BUN", "BUN_OPTIONS"];

/**
 * How long the exit of a child waits for the end of its pipes. A process that the child left behind
 * may hold them open for ever.
 */
const PIPE_GRACE_MS = 1_000;

export class BunProcesses implements Processes {
  readonly self: Self;
  #uncaught: Uncaught;
  /** Started here and not yet waited for, which Bun does. */
  readonly #own = new Set<number>();
  readonly #adopters: ((pid: number, status: ExitStatus) => void)[] = [];

  constructor(uncaught: Uncaught) {
    this.#uncaught = uncaught;
    this.self = createSelf(uncaught);
  }

  spawn(options: SpawnOptions): ChildProcess {
    const [program] = options.command;
    if (program === undefined || program === "") {
      throw new ProcessError("not-found", "the command is empty: expected a program and arguments");
    }
    const env = { ...(options.env ?? inheritedEnv()) };
    try {
      const child = new BunChild(options, env, this.#uncaught, () => this.#own.delete(child.pid));
      this.#own.add(child.pid);
      return child;
    } catch (error) {
      throw spawnError(error, program, options.folder, env["PATH"]);
    }
  }

  isAlive(pid: number): boolean {
    assert(Number.isInteger(pid) && pid > 0, `no process can have the id ${pid}`);
    try {
      process.kill(pid, 0);
    } catch (error) {
      // Not permitted to signal it: so it is there.
      return (error as { code?: string }).code === "EPERM";
    }
    return !isZombie(pid);
  }

  signal(pid: number, signal: SignalName, whom: "process" | "group"): void {
    // kill(0) is our own group and kill(-1) every process of the user.
    assert(Number.isInteger(pid) && pid > 1, `refusing to signal the process id ${pid}`);
    try {
      process.kill(whom === "group" ? -pid : pid, signal);
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "ESRCH") return;
      if (code === "EPERM") {
        throw new ProcessError("permission", `this user may not send ${signal} to process ${pid}`);
      }
      throw new ProcessError("other", `cannot send ${signal} to process ${pid}: ${String(error)}`);
    }
  }

  holderOfPort(port: number): PortHolder | null {
    return holderOfPort(port);
  }

  adoptOrphans(onExit: (pid: number, status: ExitStatus) => void): boolean {
    this.#adopters.push(onExit);
    if (this.#adopters.length > 1) return true;
    const isOwn = (pid: number): boolean => this.#own.has(pid);
    return adoptOrphans(isOwn, (...end) => {
      for (const tell of this.#adopters) tell(...end);
    });
  }
}

function createSelf(uncaught: Uncaught): Self {
  const isCompiled = Bun.main.startsWith("/$bunfs/");
  return {
    pid: process.pid,
    command: isCompiled ? [process.execPath] : [process.execPath, Bun.main],
    args: process.argv.slice(2),
    env: process.env,
    folder: process.cwd(),
    platform: process.platform,
    exit: (code) => process.exit(code),
    halt: (code) => endProcess(code),
    usage: selfUsage,
    collectGarbage: () => Bun.gc(true),
    onUncaught: (report) => uncaught.add(report),
  };
}

function selfUsage(): ProcessUsage {
  const cpu = process.cpuUsage();
  return {
    residentBytes: process.memoryUsage.rss(),
    userMs: cpu.user / 1_000,
    systemMs: cpu.system / 1_000,
  };
}

class BunChild implements ChildProcess {
  readonly pid: number;
  #child: Bun.Subprocess;
  #uncaught: Uncaught;
  #exited = false;

  constructor(
    options: SpawnOptions,
    env: Record<string, string>,
    uncaught: Uncaught,
    waitedFor: () => void,
  ) {
    this.#uncaught = uncaught;
    this.#child = Bun.spawn([...options.command], {
      env,
      ...(options.folder === undefined ? {} : { cwd: options.folder }),
      detached: options.ownGroup === true,
      stdio: [
        options.stdin ?? "ignore",
        pipeKind(options.stdout),
        pipeKind(options.stderr),
        ...(options.descriptors ?? []),
      ],
    });
    this.pid = this.#child.pid;
    const readers = [
      this.#read(this.#child.stdout, options.stdout),
      this.#read(this.#child.stderr, options.stderr),
    ].filter((reader) => reader !== null);
    void this.#finish(readers, options.onExit, waitedFor);
  }

  kill(signal: SignalName): void {
    if (!this.#exited) this.#child.kill(signal);
  }

  write(bytes: Uint8Array): void {
    const { stdin } = this.#child;
    assert(typeof stdin === "object", 'the child was started without stdin: "pipe"');
    // A child that no longer reads says so by its exit.
    quietly(() => stdin.write(bytes));
    quietly(() => stdin.flush());
  }

  closeInput(): void {
    const { stdin } = this.#child;
    assert(typeof stdin === "object", 'the child was started without stdin: "pipe"');
    quietly(() => stdin.end());
  }

  #read(stream: unknown, run: SpawnOptions["stdout"]): PipeReader | null {
    if (typeof run !== "function") return null;
    return readPipe(stream as ReadableStream<Uint8Array>, run, this.#uncaught);
  }

  async #finish(
    readers: PipeReader[],
    onExit: SpawnOptions["onExit"],
    waitedFor: () => void,
  ): Promise<void> {
    const code = await this.#child.exited;
    this.#exited = true;
    waitedFor();
    const ends = Promise.all(readers.map((reader) => reader.ended));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PIPE_GRACE_MS);
    });
    await Promise.race([ends, grace]);
    clearTimeout(timer);
    for (const reader of readers) reader.stop();
    const status: ExitStatus = { code, signal: this.#child.signalCode as SignalName | null };
    try {
      onExit?.(status);
    } catch (error) {
      this.#uncaught.report(error);
    }
  }
}

interface PipeReader {
  readonly ended: Promise<void>;
  stop(): void;
}

function readPipe(
  stream: ReadableStream<Uint8Array>,
  run: (bytes: Uint8Array) => void,
  uncaught: Uncaught,
): PipeReader {
  const reader = stream.getReader();
  let stopped = false;
  const pump = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || stopped) return;
      try {
        run(value);
      } catch (error) {
        // Go on reading: an unread pipe would stop the child.
        uncaught.report(error);
      }
    }
  };
  return {
    ended: pump().catch(() => {}),
    stop() {
      stopped = true;
      reader.cancel().catch(() => {});
    },
  };
}

function pipeKind(how: SpawnOptions["stdout"]): "pipe" | "inherit" | "ignore" {
  return typeof how === "function" ? "pipe" : (how ?? "ignore");
}

function inheritedEnv(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !BUN_VARIABLES.includes(name)) env[name] = value;
  }
  return env;
}

function spawnError(
  error: unknown,
  program: string,
  folder: string | undefined,
  path: string | undefined,
): ProcessError {
  const code = (error as { code?: unknown } | null)?.code;
  if (folder !== undefined && !isFolder(folder)) {
    return new ProcessError("not-found", `cannot start ${program}: there is no folder ${folder}`);
  }
  if (code === "ENOENT") {
    const where = program.includes("/")
      ? `there is no file ${program}`
      : `no program of that name in PATH (${path ?? "which is not set"})`;
    return new ProcessError("not-found", `cannot start "${program}": ${where}`);
  }
  if (code === "EACCES" || code === "EPERM") {
    const text = `cannot start "${program}": it is not executable, or this user may not run it`;
    return new ProcessError("permission", text);
  }
  const text = error instanceof Error ? error.message : String(error);
  return new ProcessError("other", `cannot start "${program}": ${text}`);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Exited, but nobody has asked for its exit code yet (always so below a careless process 1). */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // pid (name) state ...; the name may hold anything, parentheses too.
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) === "Z";
  } catch {
    return false;
  }
}

function quietly(run: () => unknown): void {
  try {
    const result = run();
    if (result instanceof Promise) result.catch(() => {});
  } catch {
    return;
  }
}
