import type { World } from "../base/world.ts";
import {
  type ProcessEvents,
  type ProcessPlan,
  SupervisedProcess,
} from "./supervised_process.ts";

export interface SupervisorEvents {
  onChange(): void;
  onLine(process: SupervisedProcess, text: string): void;
  onNotice(process: SupervisedProcess, text: string): void;
}

/** Stopped first, and so no longer sends to those behind it. */
const STOP_ORDER = ["gateway", "sidecar", "app"] as const;
/** Started first, so that an app finds its calls answered. */
const START_ORDER = ["sidecar", "gateway", "app"] as const;

/** How long a stage of the start waits for the one before it; then it goes on all the same. */
const STAGE_WAIT_MS = 5_000;

/** The processes of a set: makes what runs equal to what is planned. */
export class Supervisor {
  readonly processes = new Map<string, SupervisedProcess>();
  #stopping = false;

  constructor(
    private readonly world: World,
    private readonly events: SupervisorEvents,
  ) {}

  /**
   * Starts what is new, restarts what runs otherwise than planned, stops what is no longer planned;
   * the rest is left alone.
   *
   * @throws ProcessError where a new command cannot be started.
   */
  async apply(plans: readonly ProcessPlan[]): Promise<void> {
    for (const role of START_ORDER) {
      const changed = await Promise.all(
        plans.filter((plan) => plan.role === role).map((plan) => this.#applyOne(plan)),
      );
      const waits = changed.filter((process) => process !== null);
      if (role !== "app") {
        await Promise.all(waits.map((process) => process.whenReady(STAGE_WAIT_MS)));
      }
    }
    const planned = new Set(plans.map(({ id }) => id));
    const gone = [...this.processes.values()].filter(({ plan }) => !planned.has(plan.id));
    for (const process of gone) {
      this.events.onNotice(process, "stopped: the files no longer ask for it");
    }
    await this.#stopAll(gone);
  }

  /** Resolves when all have ended; nothing is started from here on. */
  stop(): Promise<void> {
    this.#stopping = true;
    return this.#stopAll([...this.processes.values()]);
  }

  /** SIGKILL to all, now. */
  kill(): void {
    for (const process of this.processes.values()) process.kill();
  }

  /** Those that are not ready in time. */
  async notReady(timeoutMs: number): Promise<readonly SupervisedProcess[]> {
    const all = [...this.processes.values()];
    const ready = await Promise.all(all.map((process) => process.whenReady(timeoutMs)));
    return all.filter((_, index) => ready[index] === false);
  }

  async #applyOne(plan: ProcessPlan): Promise<SupervisedProcess | null> {
    if (this.#stopping) return null;
    const process = this.processes.get(plan.id);
    if (process === undefined) {
      const added = this.#create(plan);
      added.start();
      this.processes.set(plan.id, added);
      this.events.onChange();
      return added;
    }
    if (runsAs(process.plan, plan)) {
      process.plan = plan;
      return null;
    }
    this.events.onNotice(process, "started again: how it runs has changed");
    await process.replace(plan);
    return process;
  }

  #create(plan: ProcessPlan): SupervisedProcess {
    const events: ProcessEvents = {
      onChange: () => this.events.onChange(),
      onLine: (text) => this.events.onLine(process, text),
      onNotice: (text) => this.events.onNotice(process, text),
    };
    const process = new SupervisedProcess(this.world, plan, events);
    return process;
  }

  async #stopAll(processes: readonly SupervisedProcess[]): Promise<void> {
    for (const role of STOP_ORDER) {
      const those = processes.filter(({ plan }) => plan.role === role);
      await Promise.all(those.map((process) => process.stop()));
      for (const { plan } of those) this.processes.delete(plan.id);
    }
    if (processes.length > 0) this.events.onChange();
  }
}

/** Would a process of the one plan be the same as one of the other? */
export function runsAs(one: ProcessPlan, other: ProcessPlan): boolean {
  const key = ({ command, folder, env }: ProcessPlan) =>
    JSON.stringify([command, folder, Object.entries(env).sort()]);
  return key(one) === key(other);
}
