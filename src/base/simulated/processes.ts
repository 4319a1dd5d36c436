import { basename } from "node:path";
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
import type { SimulatedClock } from "./clock.ts";

const SIGNAL_NUMBERS: Readonly<Record<SignalName, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGWINCH: 28,
};

const FIRST_PID = 1_000;

/** Thrown by the simulated `exit`, which like the real one never returns. */
export class SimulatedExit extends Error {
  override readonly name = "SimulatedExit";
  constructor(readonly code: number) {
    super(`exit with code ${code}`);
  }
}

/** A program of a test: called when it is started, it acts through the child. */
export type FakeProgram = (child: FakeChild) => void;

/** A fake program's side of the process that it is. */
export class FakeChild {
  readonly pid: number;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  isAlive = true;
  /** Everything that was written to its stdin so far. */
  input = "";
  inputEnded = false;
  #clock: SimulatedClock;
  #options: SpawnOptions;
  #signals = new Map<SignalName, () => void>();
  #exited: (child: FakeChild) => void;

  constructor(
    clock: SimulatedClock,
    pid: number,
    options: SpawnOptions,
    self: Self,
    exited: (child: FakeChild) => void,
  ) {
    this.#clock = clock;
    this.pid = pid;
    this.#options = options;
    this.command = options.command;
    this.env = options.env ?? (self.env as Record<string, string>);
    this.folder = options.folder ?? self.folder;
    this.#exited = exited;
  }

  stdout(text: string): void {
    this.#output(this.#options.stdout, text);
  }

  stderr(text: string): void {
    this.#output(this.#options.stderr, text);
  }

  /** Replaces the default effect of a signal, which is to die of it. */
  onSignal(signal: SignalName, run: () => void): void {
    assert(signal !== "SIGKILL", "SIGKILL cannot be caught");
    this.#signals.set(signal, run);
  }

  exit(code: number): void {
    this.#end(code, null);
  }

  receive(signal: SignalName): void {
    this.#clock.plan(0, () => {
      if (!this.isAlive) return;
      const run = this.#signals.get(signal);
      if (run !== undefined) run();
      else if (signal !== "SIGWINCH") this.#end(128 + SIGNAL_NUMBERS[signal], signal);
    });
  }

  #output(to: SpawnOptions["stdout"], text: string): void {
    if (!this.isAlive || typeof to !== "function") return;
    const bytes = new TextEncoder().encode(text);
    this.#clock.plan(0, () => to(bytes));
  }

  #end(code: number, signal: SignalName | null): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#exited(this);
    // Behind the output that is on its way.
    this.#clock.plan(0, () => this.#options.onExit?.({ code, signal }));
  }
}

export class SimulatedSelf implements Self {
  pid = FIRST_PID;
  command: readonly string[] = ["outrigger"];
  args: readonly string[] = [];
  env: Record<string, string | undefined> = { PATH: "/usr/bin:/bin", HOME: "/home/app" };
  platform = "linux";
  resources: ProcessUsage = { residentBytes: 0, userMs: 0, systemMs: 0 };
  /** The code of the first `exit`. */
  exitCode: number | null = null;

  constructor(
    readonly folder: string,
    /** The newest first. */
    readonly reports: ((error: unknown) => unknown)[],
  ) {}

  exit(code: number): never {
    this.exitCode ??= code;
    throw new SimulatedExit(code);
  }

  halt(code: number): never {
    return this.exit(code);
  }

  usage(): ProcessUsage {
    return this.resources;
  }

  collections = 0;

  collectGarbage(): void {
    this.collections++;
  }

  onUncaught(report: (error: unknown) => unknown): void {
    this.reports.unshift(report);
  }
}

export class SimulatedProcesses implements Processes {
  /** What `spawn` can start, by the command's first word or its last path segment. */
  readonly programs = new Map<string, FakeProgram>();
  /** Everything that runs now. */
  readonly children = new Map<number, FakeChild>();
  readonly self: SimulatedSelf;
  #clock: SimulatedClock;
  #lastPid = FIRST_PID;
  #isHeld: (port: number) => boolean;

  constructor(clock: SimulatedClock, self: SimulatedSelf, isHeld: (port: number) => boolean) {
    this.#clock = clock;
    this.self = self;
    this.#isHeld = isHeld;
  }

  spawn(options: SpawnOptions): ChildProcess {
    const [word] = options.command;
    if (word === undefined || word === "") {
      throw new ProcessError("not-found", "the command is empty: expected a program and arguments");
    }
    const program = this.programs.get(word) ?? this.programs.get(basename(word));
    if (program === undefined) {
      const text = `cannot start "${word}": no program of that name in this simulation`;
      throw new ProcessError("not-found", text);
    }
    this.#lastPid += 1;
    const child = new FakeChild(this.#clock, this.#lastPid, options, this.self, (dead) => {
      this.children.delete(dead.pid);
    });
    this.children.set(child.pid, child);
    this.#clock.plan(0, () => {
      if (child.isAlive) program(child);
    });
    return {
      pid: child.pid,
      kill: (signal) => child.receive(signal),
      write: (bytes) => {
        assert(options.stdin === "pipe", 'the child was started without stdin: "pipe"');
        child.input += new TextDecoder().decode(bytes);
      },
      closeInput: () => {
        assert(options.stdin === "pipe", 'the child was started without stdin: "pipe"');
        child.inputEnded = true;
      },
    };
  }

  isAlive(pid: number): boolean {
    return pid === this.self.pid || this.children.has(pid);
  }

  signal(pid: number, signal: SignalName, whom: "process" | "group"): void {
    assert(Number.isInteger(pid) && pid > 1, `refusing to signal the process id ${pid} (${whom})`);
    this.children.get(pid)?.receive(signal);
  }

  /** What an orphan's end tells, where somebody has asked for that. */
  orphanEnded: (pid: number, status: ExitStatus) => void = () => {};

  adoptOrphans(onExit: (pid: number, status: ExitStatus) => void): boolean {
    this.orphanEnded = onExit;
    return true;
  }

  holderOfPort(port: number): PortHolder | null {
    return this.#isHeld(port) ? { pid: this.self.pid, command: this.self.command.join(" ") } : null;
  }
}
