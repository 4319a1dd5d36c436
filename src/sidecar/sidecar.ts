import { dirname, join } from "node:path";

import { type FaultOrder, type FaultStatus, readFaultOrder } from "../api/fault.ts";
import type { Sighting } from "../api/sighting.ts";
import type { LogLevel } from "../api/log_level.ts";
import type { FailedRequest } from "../api/request_record.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { ProxyStats } from "../api/stats.ts";
import type { CaptureOrder } from "../api/capture.ts";
import type { TapOrder } from "../api/tap.ts";
import { Failure } from "../base/failure.ts";
import { parseJson } from "../base/json.ts";
import { WatchedFile } from "../base/watched_file.ts";
import type { ListeningSocket, World } from "../base/world.ts";
import {
  acceptedOpenMetrics,
  OPENMETRICS_TYPE,
  openMetricsText,
  withoutExemplars,
} from "../codec/openmetrics.ts";
import { PROMETHEUS_TEXT_TYPE } from "../codec/prometheus_text.ts";
import {
  HttpServer,
  jsonAnswer,
  type ServerAnswer,
  type ServerRequest,
  textAnswer,
} from "../http/server.ts";
import type { CaptureTaker } from "../proxy/watch/capture.ts";
import type { TapTaker } from "../proxy/watch/tap.ts";
import { mergeMetrics } from "./merge_metrics.ts";
import { PipelineChild } from "./pipeline_child.ts";
import { processMetrics } from "./process_metrics.ts";
import { readSnapshot } from "./read_snapshot.ts";
import { CaptureAdmin } from "./capture_admin.ts";
import { WatchAdmin } from "./watch_admin.ts";

/** What the sidecar asks of the proxy. Several workers answer later, one at once. */
export interface DataPlane {
  /** @throws Failure "refused" or "port-in-use"; what was in force stays so. */
  apply(snapshot: Snapshot): void | Promise<void>;
  stats(): ProxyStats | Promise<ProxyStats>;
  metrics(): string | Promise<string>;
  faults(): readonly FaultStatus[] | Promise<readonly FaultStatus[]>;
  /** @throws Failure "refused" where there is no such listener or route. */
  setFault(order: FaultOrder): void | Promise<void>;
  /** Malformed messages that came by lately; those with a higher sequence than `since`. */
  sightings(since: number): readonly Sighting[] | Promise<readonly Sighting[]>;
  /** Shows requests that match from now on. Returns what ends that, once the last is handed on. */
  tap(order: TapOrder, take: TapTaker): () => void | Promise<void>;
  /** Keeps sampled requests from now on. Returns what ends that, as of `tap`. */
  capture(order: CaptureOrder, take: CaptureTaker): () => void | Promise<void>;
  /** Requests that failed lately, by id, or the newest of all. */
  failures(id: string | null): readonly FailedRequest[] | Promise<readonly FailedRequest[]>;
  readonly logLevel: LogLevel;
  setLogLevel(level: LogLevel): void | Promise<void>;
  /** Returns how many ended. */
  clearFaults(listener: string | null, route: string | null): number | Promise<number>;
  /** With a successor that listens on the same sockets, idle callers are given the time to leave. */
  drain(options?: { readonly hasSuccessor: boolean }): Promise<void>;
  /** Listening sockets of other threads than this one; none without such. */
  sockets?(): Promise<readonly ListeningSocket[]>;
  close(): void;
  readonly ready: boolean;
}

export interface SidecarOptions {
  readonly snapshotFile: string;
  /** Where the last good Snapshot lies when the file is bad; beside the file without it. */
  readonly stateFolder: string | null;
  /** Makes the proxy when the first Snapshot is known: it says how many workers there are. */
  readonly createProxy: (snapshot: Snapshot) => DataPlane | Promise<DataPlane>;
  readonly log: (line: string) => void;
  /** Puts in force what the file says whenever it changes: a mounted ConfigMap, for one. */
  readonly watch?: boolean;
  /** Takes over from a process that runs with this Snapshot; its pipelines start later. */
  readonly inForceFile?: string;
}

/** A drain that the proxy itself does not end in time is ended here. */
const DRAIN_SLACK_MS = 500;

/**
 * What runs beside an app: the proxy, its pipelines in a process of their own, and the admin API.
 * It goes on with the last good Snapshot where a new one is bad.
 */
export class Sidecar {
  readonly #world: World;
  readonly #options: SidecarOptions;
  #snapshot: Snapshot | null = null;
  /** From the first Snapshot on. */
  #proxy!: DataPlane;
  readonly #startedWallMs: number;
  #servers: HttpServer[] = [];
  readonly #watch: WatchAdmin;
  readonly #captures: CaptureAdmin;
  #adminServer: HttpServer | null = null;
  /** Of the admin socket's file. */
  #adminInode = 0;
  #pipelines: PipelineChild | null = null;
  #pipelinesChange: Promise<void> = Promise.resolve();
  /** Snapshots come into force one after the other. */
  #applying: Promise<unknown> = Promise.resolve();
  #draining: Promise<void> | null = null;
  #hasSuccessor = false;
  /** Null where the file is not watched. */
  #file: WatchedFile | null = null;
  /** Starts a successor, and returns its process id. @throws Failure where that fails. */
  upgrade: (() => Promise<number>) | null = null;

  constructor(world: World, options: SidecarOptions) {
    this.#world = world;
    this.#options = options;
    this.#startedWallMs = world.clock.wallMs();
    this.#watch = new WatchAdmin(world, () => this.#proxy);
    this.#captures = new CaptureAdmin(world, () => this.#proxy, () => this.#snapshot);
  }

  /**
   * @throws Failure "refused" where neither the file nor a last good Snapshot can be used,
   *   "port-in-use" where a listener's port is taken.
   */
  async start(): Promise<void> {
    const snapshot = await this.#applyFirst();
    const readOnly = new HttpServer(this.#world, {
      address: snapshot.bindings.admin.readOnly,
      isUrgent: true,
      handle: (request) => this.#readOnly(request),
      maxBodyBytes: 0,
    });
    readOnly.start();
    this.#servers.push(readOnly);
    if (this.#options.watch === true) {
      this.#file = new WatchedFile(this.#world, this.#options.snapshotFile, () => {
        void this.#readAgain();
      });
    }
    this.openAdminSocket();
    if (this.#options.inForceFile === undefined) this.startPipelines();
  }

  /** Unless it is open; a successor that failed may have put its own in its place. */
  openAdminSocket(): void {
    const { socket } = this.#snapshot!.bindings.admin;
    if (this.#world.files.stat(socket)?.inode === this.#adminInode) return;
    this.#adminServer?.stop();
    // The one that a killed predecessor left, or that a living one listens on.
    this.#world.files.remove(socket);
    const server = new HttpServer(this.#world, {
      address: { path: socket },
      mode: 0o600,
      handle: (request) => this.#admin(request),
    });
    server.start();
    this.#adminServer = server;
    this.#adminInode = this.#world.files.stat(socket)!.inode;
  }

  /** Lets what is under way finish, at most the policy's `drainMs`; then everything is closed. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  // -------------------------------------------------------------- upgrades

  get stateFolder(): string {
    return this.#snapshot!.bindings.stateFolder;
  }

  /** Holds the Snapshot in force. */
  get inForceFile(): string {
    return lastGoodFile(this.stateFolder);
  }

  /**
   * All listening sockets, once no Snapshot is under way.
   * @throws Failure `refused` where a port is not fixed: it could not be found again.
   */
  async sockets(): Promise<readonly ListeningSocket[]> {
    const { listeners, admin } = this.#snapshot!.bindings;
    const anyPort = Object.entries({ ...listeners, admin: admin.readOnly }).find(
      ([, { port }]) => port === 0,
    );
    if (anyPort !== undefined) {
      const text = `${anyPort[0]} listens on any free port, which cannot be handed on`;
      throw new Failure("refused", text, "give it a port");
    }
    const others = (await this.#proxy.sockets?.()) ?? [];
    return [...this.#world.net.handover.listening(), ...others];
  }

  /** Runs `change` when no Snapshot is under way, and lets none come in between. */
  holdSnapshots<Result>(change: () => Promise<Result>): Promise<Result> {
    const changed = this.#applying.then(change);
    this.#applying = changed.catch(() => {});
    return changed;
  }

  /**
   * A successor serves on the same sockets: ends as `drain` does, slower for idle callers. Resolves
   * once the admin API and the pipelines are the successor's to open.
   */
  async handOver(): Promise<void> {
    this.#hasSuccessor = true;
    this.#draining ??= this.#drain();
    this.#stopServers();
    await this.#pipelinesChange;
    await this.#pipelines?.stop();
  }

  /** At once. */
  close(): void {
    this.#stopServers();
    this.#proxy.close();
    void this.#pipelines?.stop();
  }

  #stopServers(): void {
    this.#file?.close();
    for (const server of this.#servers) server.stop();
    this.#adminServer?.stop();
  }

  async #drain(): Promise<void> {
    // Its start failed before it had one.
    if (this.#snapshot === null) return;
    const waitMs = (this.#snapshot?.policy.drainMs ?? 0) + DRAIN_SLACK_MS;
    let wake = () => {};
    const tooLate = new Promise<void>((resolve) => (wake = resolve));
    const timer = this.#world.clock.after(waitMs, wake);
    const drained = this.#proxy.drain({ hasSuccessor: this.#hasSuccessor });
    await Promise.race([drained, tooLate]);
    timer.cancel();
    await this.#pipelines?.stop();
    this.close();
  }

  // -------------------------------------------------------------- Snapshots

  async #applyFirst(): Promise<Snapshot> {
    const { snapshotFile, log, inForceFile } = this.#options;
    try {
      return await this.#startWith(inForceFile ?? snapshotFile);
    } catch (error) {
      if (error instanceof Failure && error.kind === "port-in-use") throw error;
      const lastGood = lastGoodFile(this.#options.stateFolder ?? dirname(snapshotFile));
      if (this.#world.files.stat(lastGood) === null) throw error;
      log(`${(error as Error).message}; the last good Snapshot is used: ${lastGood}`);
      return this.#startWith(lastGood);
    }
  }

  async #startWith(file: string): Promise<Snapshot> {
    const snapshot = readSnapshot(this.#world.files.readText(file), file);
    this.#proxy = await this.#options.createProxy(snapshot);
    try {
      return await this.#apply(snapshot);
    } catch (error) {
      this.#proxy.close();
      throw error;
    }
  }

  /** @throws Failure "refused" or "port-in-use"; then nothing has changed. */
  async #apply(snapshot: Snapshot): Promise<Snapshot> {
    const before = this.#snapshot;
    if (before !== null) {
      const fixed = ({ workload, bindings }: Snapshot) =>
        JSON.stringify([workload, bindings.admin, bindings.stateFolder]);
      if (fixed(before) !== fixed(snapshot)) {
        throw new Failure(
          "refused",
          "workload, admin addresses and state folder cannot change while it runs",
          "start the sidecar anew with this Snapshot",
        );
      }
      if (before.bindings.workers !== snapshot.bindings.workers) {
        this.#options.log("another number of workers takes effect when the sidecar starts anew");
      }
    }
    await this.#proxy.apply(snapshot);
    this.#snapshot = snapshot;
    this.#keep(snapshot);
    return snapshot;
  }

  #keep(snapshot: Snapshot): void {
    const { stateFolder } = snapshot.bindings;
    try {
      this.#world.files.makeFolder(stateFolder, { mode: 0o700 });
      const text = `${JSON.stringify(snapshot)}\n`;
      this.#world.files.replace(lastGoodFile(stateFolder), text, { mode: 0o600 });
    } catch (error) {
      // In force all the same: a full disk must not stop traffic.
      this.#options.log(`the Snapshot could not be kept: ${(error as Error).message}`);
    }
  }

  /** The file has changed. */
  async #readAgain(): Promise<void> {
    const { snapshotFile, log } = this.#options;
    if (this.#draining !== null) return;
    try {
      const snapshot = readSnapshot(this.#world.files.readText(snapshotFile), snapshotFile);
      if (snapshot.version === this.#snapshot?.version) return;
      await this.#replace(snapshot);
      log(`Snapshot ${snapshot.version} is in force, from ${snapshotFile}`);
    } catch (error) {
      log(`Snapshot refused: ${(error as Error).message}`);
    }
  }

  #replace(snapshot: Snapshot): Promise<void> {
    return this.holdSnapshots(() => this.#replaceNow(snapshot));
  }

  async #replaceNow(snapshot: Snapshot): Promise<void> {
    if (this.#hasSuccessor) {
      throw new Failure("refused", "another process has taken over", "send it again");
    }
    if (this.#draining !== null) throw new Failure("refused", "the sidecar is about to end");
    const before = pipelineKey(this.#snapshot);
    await this.#apply(snapshot);
    if (pipelineKey(snapshot) === before) return;
    // One after the other: two changes in a row must not leave two processes.
    const isLeft = Object.keys(snapshot.policy.pipelines).length > 0;
    this.#pipelinesChange = this.#pipelinesChange.then(async () => {
      if (isLeft && (await this.#pipelines?.reload()) === true) return;
      await this.#pipelines?.stop();
      this.#pipelines = null;
      if (this.#draining === null) this.startPipelines();
    });
  }

  startPipelines(): void {
    const snapshot = this.#snapshot;
    if (snapshot === null || Object.keys(snapshot.policy.pipelines).length === 0) return;
    const { stateFolder } = snapshot.bindings;
    const file = lastGoodFile(stateFolder);
    this.#pipelines = new PipelineChild(this.#world, file, stateFolder, this.#options.log);
    this.#pipelines.start();
  }

  // -------------------------------------------------------------- admin API

  async #readOnly(request: ServerRequest): Promise<ServerAnswer> {
    const known = ["/ready", "/live", "/metrics"].includes(request.path);
    if (!known) return textAnswer(404, "known here: /ready /live /metrics");
    if (request.method !== "GET" && request.method !== "HEAD") return notAllowed("GET, HEAD");
    if (request.path === "/live") return textAnswer(200, "live");
    if (request.path === "/metrics") return this.#metrics(request.headers.get("accept") ?? "");
    const ready = this.#proxy.ready && this.#draining === null;
    return ready ? textAnswer(200, "ready") : textAnswer(503, "not ready");
  }

  async #metrics(accept: string): Promise<ServerAnswer> {
    const pipelines = await this.#pipelines?.metrics();
    const own = await this.#proxy.metrics();
    const ofProcess = processMetrics(this.#world, this.#startedWallMs);
    const all = mergeMetrics([own, ofProcess, ...(pipelines === undefined ? [] : [pipelines])]);
    const version = acceptedOpenMetrics(accept);
    const type =
      version === null
        ? PROMETHEUS_TEXT_TYPE
        : `${OPENMETRICS_TYPE}; version=${version}; charset=utf-8`;
    const body = version === null ? withoutExemplars(all) : openMetricsText(all);
    return { status: 200, headers: { "content-type": type, vary: "accept" }, body };
  }

  async #admin(request: ServerRequest): Promise<ServerAnswer> {
    switch (`${request.method} ${request.path}`) {
      case "GET /config":
        return jsonAnswer(200, this.#snapshot);
      case "GET /stats":
        return jsonAnswer(200, {
          ...(await this.#proxy.stats()),
          pipelines: (await this.#pipelines?.ledgers()) ?? {},
        });
      case "GET /clusters":
        return jsonAnswer(200, (await this.#proxy.stats()).clusters);
      case "GET /listeners":
        return jsonAnswer(200, (await this.#proxy.stats()).listeners);
      case "PUT /snapshot":
        return this.#putSnapshot(Buffer.from(request.body).toString());
      case "GET /sightings":
        return this.#sightings(request.query.get("since") ?? "0");
      case "GET /faults":
        return this.#faults();
      case "PUT /faults":
        return this.#putFault(Buffer.from(request.body).toString());
      case "DELETE /faults": {
        const { query } = request;
        const [listener, route] = [query.get("listener") ?? null, query.get("route") ?? null];
        await this.#proxy.clearFaults(listener, route);
        return this.#faults();
      }
      case "POST /capture":
        return this.#captures.answer(parseJson(Buffer.from(request.body).toString()));
      case "POST /upgrade":
        return this.#upgrade();
      case "POST /drain":
        void this.drain();
        return jsonAnswer(202, { draining: true });
      default:
        return (await this.#watch.answer(request)) ?? this.#readOnly(request);
    }
  }

  async #sightings(since: string): Promise<ServerAnswer> {
    if (!/^\d{1,15}$/.test(since)) return textAnswer(400, "since: a sequence is a whole number");
    return jsonAnswer(200, { sightings: await this.#proxy.sightings(Number(since)) });
  }

  async #faults(): Promise<ServerAnswer> {
    return jsonAnswer(200, { faults: await this.#proxy.faults() });
  }

  async #putFault(text: string): Promise<ServerAnswer> {
    const order = readFaultOrder(parseJson(text));
    if (typeof order === "string") return jsonAnswer(409, { problem: order, advice: null });
    try {
      await this.#proxy.setFault(order);
      return await this.#faults();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return jsonAnswer(409, { problem: error.message, advice: error.advice ?? null });
    }
  }

  async #upgrade(): Promise<ServerAnswer> {
    try {
      if (this.upgrade === null) throw new Failure("refused", "it does not serve by itself");
      return jsonAnswer(200, { pid: await this.upgrade() });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return jsonAnswer(409, { problem: error.message, advice: error.advice ?? null });
    }
  }

  async #putSnapshot(text: string): Promise<ServerAnswer> {
    try {
      const snapshot = readSnapshot(text, "the given Snapshot");
      await this.#replace(snapshot);
      return jsonAnswer(200, { version: snapshot.version });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#options.log(`Snapshot refused: ${error.message}`);
      return jsonAnswer(409, { problem: error.message, advice: error.advice ?? null });
    }
  }
}

function lastGoodFile(stateFolder: string): string {
  return join(stateFolder, "last-good.json");
}

/** Changes when the pipelines do. */
function pipelineKey(snapshot: Snapshot | null): string {
  return JSON.stringify([snapshot?.policy.pipelines, snapshot?.bindings.pipelines]);
}

function notAllowed(allow: string): ServerAnswer {
  return { ...textAnswer(405, `allowed here: ${allow}`), headers: { allow } };
}
