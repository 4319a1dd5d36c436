import type { Documents } from "../api/document.ts";
import { workloadKey } from "../api/site.ts";
import type { HostPort } from "../api/snapshot.ts";
import { coloursFor } from "../base/colour.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { schemeOf } from "./build_site.ts";
import { StatsCollector, type WorkloadStats } from "./collect_stats.ts";
import { type LoadedSet, placeDocuments } from "./load_set.ts";
import { requireCommands } from "./find_command.ts";
import { readPorts } from "./place.ts";
import { planProcesses } from "./plan_processes.ts";
import { ProcessLog } from "./process_log.ts";
import { markProcess, type ProcessMark } from "./process_mark.ts";
import type { ProcessRecord, RunningRecord } from "./running_record.ts";
import { requireCertificates } from "./require_certificates.ts";
import { requireFilters } from "./require_filters.ts";
import type { Screen } from "./screen.ts";
import { SnapshotDelivery } from "./snapshot_delivery.ts";
import type { StateFolder } from "./state_folder.ts";
import type { SupervisedProcess } from "./supervised_process.ts";
import { Supervisor } from "./supervisor.ts";
import { tableLines } from "./table.ts";

const STATS_INTERVAL_MS = 1_000;

/** What `up` runs: the files' Apps as processes, their sidecars, and what the user sees of them. */
export class RunningSet {
  loaded: LoadedSet | null = null;
  stats: readonly WorkloadStats[] = [];
  consoleUrl: string | null = null;
  readonly #world: World;
  readonly #state: StateFolder;
  readonly #files: readonly string[];
  readonly #screen: Screen;
  readonly #supervisor: Supervisor;
  readonly #delivery: SnapshotDelivery;
  readonly #collector: StatsCollector;
  readonly #mark: ProcessMark;
  readonly #startedMs: number;
  readonly #logs = new Map<string, ProcessLog>();
  readonly #colourOf = new Map<string, number>();
  #phase: RunningRecord["phase"] = "starting";
  #recorded = "";
  #labels: readonly string[] = [];
  #recording = true;

  constructor(world: World, state: StateFolder, files: readonly string[], screen: Screen) {
    this.#world = world;
    this.#state = state;
    this.#files = files;
    this.#screen = screen;
    this.#mark = markProcess(world, world.processes.self.pid);
    this.#startedMs = world.clock.wallMs();
    this.#delivery = new SnapshotDelivery(world, state);
    this.#collector = new StatsCollector(world);
    this.#supervisor = new Supervisor(world, {
      onChange: () => this.#record(),
      onLine: (process, text) => this.#line(process, text),
      onNotice: (process, text) => this.say(`${process.plan.label}: ${text}`),
    });
  }

  /** A word of `up` itself. */
  say(text: string): void {
    const colours = coloursFor(this.#world, this.#world.stdio.stdout);
    for (const line of text.split("\n")) {
      const label = "outrigger".padEnd(this.#labelWidth());
      this.#screen.line(`${colours.dim(`${label} |`)} ${line}`);
      this.#logOf("outrigger").line(line);
    }
  }

  /**
   * Makes what runs equal to what the files say: only what they changed is touched.
   *
   * @throws ProblemsFailure, Failure "port-in-use", "command-not-found" or "input-not-found": then
   *   nothing has changed. ProcessError where a process cannot be started all the same.
   */
  async apply(documents: Documents): Promise<void> {
    const before = this.loaded?.ports ?? readPorts(this.#state);
    // Before the first start nothing of this set listens.
    const held = new Set(this.loaded === null ? [] : Object.values(before));
    const loaded = placeDocuments(this.#world, documents, { state: this.#state, before, held });
    const { site, snapshots } = loaded;
    const plans = planProcesses(this.#world, documents, site, snapshots, this.#state);
    requireCommands(this.#world, plans);
    requireCertificates(this.#world, snapshots);
    requireFilters(this.#world, snapshots);
    this.#state.writeJson(this.#state.ports, loaded.ports);
    const said = new Set(this.loaded?.notices ?? []);
    this.loaded = loaded;
    this.#labels = plans.map(({ label }) => label);
    for (const notice of loaded.notices) if (!said.has(notice)) this.say(notice);
    const isApp = new Set(documents.apps.map(workloadKey));
    const changed = this.#delivery.write(loaded.snapshots, (key) => isApp.has(key));
    for (const snapshot of changed) {
      const key = workloadKey(snapshot.workload);
      if (!this.#hasSidecar(key)) continue;
      const problem = await this.#delivery.put(snapshot);
      if (problem === null) this.say(`${key}: policy in force: ${snapshot.policyHash}`);
      else this.say(`${key}: its sidecar refused the change, and goes on as before: ${problem}`);
    }
    await this.#supervisor.apply(plans);
  }

  /** Names those that are not ready in time. */
  notReady(timeoutMs: number): Promise<readonly SupervisedProcess[]> {
    return this.#supervisor.notReady(timeoutMs);
  }

  /** From now on `status` says that it is ready. */
  markReady(): void {
    this.#enter("ready");
  }

  showTable(): () => void {
    const { stdout } = this.#world.stdio;
    if (!stdout.isTerminal) return () => {};
    const colours = coloursFor(this.#world, stdout);
    let asking = false;
    const timer = this.#world.clock.every(STATS_INTERVAL_MS, async () => {
      if (asking) return;
      asking = true;
      this.stats = await this.#collector.collect(this.#sources());
      asking = false;
    });
    this.#screen.showTable(() => {
      const lines = tableLines(this.#processRecords(), this.stats, colours, stdout.columns || 80);
      // What is taller than the terminal cannot be drawn over again.
      return lines.slice(0, Math.max(3, (stdout.rows || 24) - 4));
    });
    return () => {
      timer.cancel();
      this.#screen.hideTable();
    };
  }

  async stop(): Promise<void> {
    this.#enter("stopping");
    await this.#supervisor.stop();
    this.#collector.close();
    for (const log of this.#logs.values()) log.close();
  }

  kill(): void {
    this.#supervisor.kill();
  }

  /** The record is removed: from now on nothing runs. */
  forget(): void {
    this.#recording = false;
    this.#world.files.remove(this.#state.running);
  }

  /** For `up`'s first words: where callers reach each App. */
  addresses(): readonly string[] {
    const lines: string[] = [];
    const { loaded } = this;
    if (loaded === null) return lines;
    const url = (workload: string | null, { host, port }: HostPort): string =>
      `${schemeOf(loaded.documents, workload)}://${host}:${port}`;
    for (const [key, { endpoints }] of Object.entries(loaded.site.workloads)) {
      const [first] = endpoints;
      if (first !== undefined) lines.push(`${key} answers on ${url(key, first)}`);
    }
    const { gateway } = loaded.site;
    if (gateway !== null && this.#supervisor.processes.has("gateway")) {
      lines.push(`the gateway answers on ${url(null, gateway.listener)}`);
    }
    return lines;
  }

  record(): RunningRecord {
    return {
      name: this.#state.name,
      files: this.#files,
      folder: this.#world.processes.self.folder,
      up: this.#mark,
      phase: this.#phase,
      startedMs: this.#startedMs,
      console: this.consoleUrl,
      processes: this.#processRecords(),
    };
  }

  saveRecord(): void {
    this.#record();
  }

  #enter(phase: RunningRecord["phase"]): void {
    this.#phase = phase;
    this.#record();
  }

  #hasSidecar(key: string): boolean {
    return [...this.#supervisor.processes.values()].some(
      ({ plan }) => plan.workload === key && plan.role !== "app",
    );
  }

  #sources() {
    return (this.loaded?.snapshots ?? []).map(({ workload, bindings }) => ({
      workload: workloadKey(workload),
      socket: bindings.admin.socket,
    }));
  }

  #processRecords(): readonly ProcessRecord[] {
    const admins = new Map(
      (this.loaded?.snapshots ?? []).map(({ workload, bindings: { admin } }) => [
        workloadKey(workload),
        { readOnly: `${admin.readOnly.host}:${admin.readOnly.port}`, socket: admin.socket },
      ]),
    );
    return [...this.#supervisor.processes.values()].map(({ plan, state, mark, restarts }) => {
      const { id, label, role, workload, port } = plan;
      const admin = role === "app" ? null : (admins.get(workload) ?? null);
      return { id, label, role, workload, state, mark, restarts, port, admin };
    });
  }

  #record(): void {
    if (!this.#recording) return;
    const record = this.record();
    const text = JSON.stringify(record);
    if (text === this.#recorded) return;
    this.#recorded = text;
    try {
      this.#state.writeJson(this.#state.running, record);
    } catch (error) {
      // What runs goes on; `status` and `down` then see an older state.
      this.#screen.line(`outrigger | ${(error as Error).message}`);
    }
  }

  #line(process: SupervisedProcess, text: string): void {
    const { id, label, workload } = process.plan;
    this.#logOf(id).line(text);
    const colours = coloursFor(this.#world, this.#world.stdio.stdout);
    const index = this.#colourOf.get(workload) ?? this.#colourOf.size;
    this.#colourOf.set(workload, index);
    this.#screen.line(`${colours.nth(index, `${label.padEnd(this.#labelWidth())} |`)} ${text}`);
  }

  #labelWidth(): number {
    return Math.max("outrigger".length, ...this.#labels.map((label) => label.length));
  }

  #logOf(id: string): ProcessLog {
    let log = this.#logs.get(id);
    if (log === undefined) {
      const report = (text: string) => this.#screen.line(`outrigger | ${text}`);
      log = new ProcessLog(this.#world, this.#state.log(id), report);
      this.#logs.set(id, log);
    }
    return log;
  }
}

/** Not ready in time, in words; the last lines of each are in its log. */
export function notReadyFailure(
  late: readonly SupervisedProcess[],
  waitMs: number,
  state: StateFolder,
): Failure {
  const lines = late.map(({ plan, state: process, restarts }) => {
    const what = process === "waiting" ? `crashed ${restarts} times` : process;
    const where = plan.port === null ? "" : `, expected on port ${plan.port}`;
    return `${plan.label} is not ready after ${waitMs / 1000} s (${what}${where})`;
  });
  const logs = late.map(({ plan }) => state.log(plan.id)).join(", ");
  return new Failure("upstream-unreachable", lines.join("; "), `what they said: ${logs}`);
}
