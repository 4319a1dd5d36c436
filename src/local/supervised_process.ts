import { RestartBackoff } from "../base/backoff.ts";
import { LineSplitter } from "../base/lines.ts";
import type { ChildProcess, ExitStatus, Timer, World } from "../base/world.ts";
import { markProcess, type ProcessMark } from "./process_mark.ts";

/** What to run, and how to see that it works. */
export interface ProcessPlan {
  /** Unique in its set: `shop/frontend`, `shop/frontend/sidecar`, `gateway`. */
  readonly id: string;
  /** In front of its output. */
  readonly label: string;
  readonly role: "app" | "sidecar" | "gateway";
  /** `namespace/name`. */
  readonly workload: string;
  readonly command: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where it listens; null where nobody knows. */
  readonly port: number | null;
  /** Asks once whether it is ready. */
  readonly probe: () => Promise<boolean>;
  /** Between SIGTERM and SIGKILL. */
  readonly stopWaitMs: number;
}

/** `waiting`: it crashed and will be started again. */
export type ProcessState = "starting" | "ready" | "waiting" | "stopping" | "stopped";

export interface ProcessEvents {
  /** The state, the mark or the count of restarts changed. */
  onChange(): void;
  /** A line of its own output. */
  onLine(text: string): void;
  /** What happened to it, for the user. */
  onNotice(text: string): void;
}

const PROBE_INTERVAL_MS = 50;
export const RESTART_LIMITS = { baseMs: 500, maxMs: 30_000, resetAfterMs: 30_000 };
/**
 * A sidecar is waited for by everybody who calls its app, and starts in a few hundredths of a second:
 * one that ran for a second comes back at once, however often it is killed.
 */
export const SIDECAR_RESTART_LIMITS = { baseMs: 100, maxMs: 5_000, resetAfterMs: 1_000 };

/** One process that is kept running: started, probed, started again when it ends, stopped. */
export class SupervisedProcess {
  state: ProcessState = "stopped";
  mark: ProcessMark | null = null;
  restarts = 0;
  #child: ChildProcess | null = null;
  #startedAt = 0;
  #timer: Timer | null = null;
  #killTimer: Timer | null = null;
  #backoff: RestartBackoff;
  #stopped: (() => void)[] = [];
  #stops = 0;
  #readyWaits: (() => void)[] = [];

  constructor(
    private readonly world: World,
    public plan: ProcessPlan,
    private readonly events: ProcessEvents,
  ) {
    this.#backoff = new RestartBackoff(
      world.random,
      plan.role === "app" ? RESTART_LIMITS : SIDECAR_RESTART_LIMITS,
    );
  }

  /** @throws ProcessError where the command cannot be started. */
  start(): void {
    if (this.#child !== null || this.state === "waiting") return;
    this.#spawn();
  }

  /**
   * Starts it anew with another plan; a restart that was asked for waits for nothing. Where it was
   * told to stop meanwhile, it stays stopped.
   */
  async replace(plan: ProcessPlan): Promise<void> {
    const ended = this.stop();
    const asked = this.#stops;
    await ended;
    if (this.#stops !== asked) return;
    this.plan = plan;
    this.#backoff.reset();
    this.start();
  }

  /** SIGTERM to its group, SIGKILL after `stopWaitMs`; resolves when it has ended. */
  stop(): Promise<void> {
    this.#stops += 1;
    this.#timer?.cancel();
    this.#timer = null;
    const child = this.#child;
    if (child === null) {
      this.#enter("stopped");
      return Promise.resolve();
    }
    const ended = new Promise<void>((resolve) => this.#stopped.push(resolve));
    if (this.state !== "stopping") {
      this.#enter("stopping");
      this.world.processes.signal(child.pid, "SIGTERM", "group");
      this.#killTimer = this.world.clock.after(this.plan.stopWaitMs, () => this.kill());
    }
    return ended;
  }

  /** SIGKILL to its group, now. */
  kill(): void {
    if (this.#child !== null) this.world.processes.signal(this.#child.pid, "SIGKILL", "group");
  }

  /** True once it is ready; false where it was not within the time. */
  async whenReady(timeoutMs: number): Promise<boolean> {
    if (this.state === "ready") return true;
    let wake = () => {};
    const waiting = new Promise<void>((resolve) => (wake = resolve));
    const timer = this.world.clock.after(timeoutMs, wake);
    this.#readyWaits.push(wake);
    await waiting;
    timer.cancel();
    // Read anew: the compiler thinks that it cannot have changed.
    return (this.state as ProcessState) === "ready";
  }

  #spawn(): void {
    const splitters = [0, 1].map(() => new LineSplitter((text) => this.events.onLine(text)));
    const [stdout, stderr] = splitters;
    const child = this.world.processes.spawn({
      command: this.plan.command,
      folder: this.plan.folder,
      env: this.plan.env,
      ownGroup: true,
      stdout: (bytes) => stdout?.push(bytes),
      stderr: (bytes) => stderr?.push(bytes),
      onExit: (status) => {
        for (const splitter of splitters) splitter.end();
        this.#exited(child, status);
      },
    });
    this.#child = child;
    this.#startedAt = this.world.clock.now();
    this.mark = markProcess(this.world, child.pid);
    this.#enter("starting");
    void this.#probe(child);
  }

  async #probe(child: ChildProcess): Promise<void> {
    while (this.#child === child && this.state === "starting") {
      if (await this.plan.probe()) {
        if (this.#child === child && this.state === "starting") this.#enter("ready");
        return;
      }
      await this.world.clock.sleep(PROBE_INTERVAL_MS);
    }
  }

  #exited(child: ChildProcess, status: ExitStatus): void {
    this.#killTimer?.cancel();
    this.#killTimer = null;
    this.#child = null;
    this.mark = null;
    // What it started and left behind; its number cannot be another's this soon.
    this.world.processes.signal(child.pid, "SIGKILL", "group");
    if (this.state === "stopping") {
      this.#enter("stopped");
      for (const resolve of this.#stopped.splice(0)) resolve();
      return;
    }
    this.#again(`ended ${describeExit(status)}`);
  }

  #again(what: string): void {
    const upForMs = this.world.clock.now() - this.#startedAt;
    const delayMs = this.#backoff.nextMs(upForMs);
    const when = delayMs === 0 ? "at once" : `in ${(delayMs / 1000).toFixed(1)} s`;
    this.events.onNotice(`${what}; started again ${when}`);
    this.restarts += 1;
    this.#enter("waiting");
    this.#timer = this.world.clock.after(delayMs, () => {
      this.#timer = null;
      if (this.state !== "waiting") return;
      try {
        this.#spawn();
      } catch (error) {
        this.#startedAt = this.world.clock.now();
        this.#again(error instanceof Error ? error.message : String(error));
      }
    });
  }

  #enter(state: ProcessState): void {
    this.state = state;
    if (state === "ready" || state === "stopped") {
      for (const wake of this.#readyWaits.splice(0)) wake();
    }
    this.events.onChange();
  }
}

function describeExit(status: ExitStatus): string {
  return status.signal === null ? `with status ${status.code}` : `by ${status.signal}`;
}
