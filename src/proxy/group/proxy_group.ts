import type { FaultOrder, FaultStatus } from "../../api/fault.ts";
import type { Sighting } from "../../api/sighting.ts";
import type { LogLevel } from "../../api/log_level.ts";
import type { FailedRequest } from "../../api/request_record.ts";
import type { HostPort, Snapshot } from "../../api/snapshot.ts";
import type { CaptureOrder } from "../../api/capture.ts";
import type { TapOrder } from "../../api/tap.ts";
import type { ProxyEvent, ProxyStats, WorkerStats } from "../../api/stats.ts";
import { Failure } from "../../base/failure.ts";
import type { ListeningSocket, Timer, World } from "../../base/world.ts";
import { PrometheusText } from "../../codec/prometheus_text.ts";
import type { DrainOptions } from "../proxy.ts";
import { refusal } from "../refusal.ts";
import { Sightings } from "../sightings.ts";
import type { CaptureTaker } from "../watch/capture.ts";
import type { TapTaker } from "../watch/tap.ts";
import { CellsWatcher } from "../typescript/filter_cells.ts";
import { EventLog, eventLine } from "../telemetry/events.ts";
import { remainingMetrics, sumMetrics } from "../telemetry/sum_metrics.ts";
import { allot, type Allotment, bury, LostCounts, NOTHING_ALLOTTED } from "./allotment.ts";
import { GroupWatches } from "./group_watches.ts";
import type { FromWorker, Order } from "./messages.ts";
import { remainsOf, sumStats } from "./sum_stats.ts";
import { type SeatEvents, WorkerSeat } from "./worker_seat.ts";

/** The watchdog's looks, and after how many without a beat a worker is taken for stuck. */
const LOOK_EVERY_MS = 1_000;
const SILENT_LOOKS = 10;
/** After a worker's end: looks for counts that it left behind. */
const LOST_LOOKS = 5;
const LOST_LOOK_EVERY_MS = 100;

/** Said once by the group, not by each of its workers. */
const OF_THE_GROUP: ReadonlySet<ProxyEvent["kind"]> = new Set([
  "snapshot-applied",
  "snapshot-refused",
  "drain-started",
  "faults-changed",
]);

export interface ProxyGroupOptions {
  /** From 2. */
  readonly workers: number;
  /** Takes lines of the access log and of events; several lines may come as one text. */
  readonly log: (lines: string) => void;
}

/**
 * Several proxies, each in a thread of its own, as one: they listen on the same ports, a new
 * Snapshot comes into force in all or in none, limits and breakers count over all, and so do stats
 * and metrics. A worker that ends or stands still is replaced.
 */
export class ProxyGroup {
  readonly #world: World;
  readonly #log: (lines: string) => void;
  readonly #events: EventLog;
  /** Of all workers, gathered when somebody asks. */
  readonly #sightings: Sightings;
  readonly #watches: GroupWatches;
  #logLevel: LogLevel = "info";
  readonly #seats: readonly WorkerSeat[];
  readonly #beats: SharedArrayBuffer;
  readonly #startedMs: number;
  readonly #timers = new Set<Timer>();
  /** By worker, sockets of a predecessor that it is to listen on. */
  readonly #inherited = new Map<number, readonly ListeningSocket[]>();
  #lastTold: { readonly worker: number; readonly text: string } = { worker: -1, text: "" };
  #snapshot: Snapshot | null = null;
  #allotment: Allotment = NOTHING_ALLOTTED;
  /** Changes of the whole group come one after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  #draining = false;
  #closed = false;
  // By worker: what it said last, and what the ones before it left.
  readonly #lastStats = new Map<number, ProxyStats>();
  readonly #lastMetrics = new Map<number, string>();
  readonly #goneStats: ProxyStats[] = [];
  readonly #goneMetrics: string[] = [];

  constructor(world: World, { workers, log }: ProxyGroupOptions) {
    this.#world = world;
    this.#log = log;
    this.#startedMs = world.clock.now();
    this.#events = new EventLog(world.clock, (event) => log(eventLine(event)));
    this.#sightings = new Sightings(world.clock, () => {});
    this.#watches = new GroupWatches(world.clock, () => this.#joined);
    this.#beats = new SharedArrayBuffer(workers * Int32Array.BYTES_PER_ELEMENT);
    const events: SeatEvents = {
      onMessage: (seat, message) => this.#take(seat, message),
      onEnd: (seat, reason) => this.#ended(seat, reason),
    };
    this.#seats = Array.from({ length: workers }, (_, worker) => {
      return new WorkerSeat(world, worker, events);
    });
  }

  get ready(): boolean {
    return this.#snapshot !== null && !this.#draining && this.#joined.length > 0;
  }

  get #joined(): WorkerSeat[] {
    return this.#seats.filter(({ hasJoined }) => hasJoined);
  }

  // -------------------------------------------------------------- Snapshots

  /**
   * As `Proxy.apply`, for all workers. The first call starts them; where it fails they wait for the
   * next.
   * @throws Failure `refused` or `port-in-use`; then what was in force is so everywhere.
   */
  apply(snapshot: Snapshot): Promise<void> {
    return this.#inTurn(() => this.#apply(snapshot));
  }

  async #apply(snapshot: Snapshot): Promise<void> {
    const isFirst = this.#snapshot === null;
    const seats = isFirst ? this.#seats : this.#joined;
    try {
      if (seats.length === 0) throw new Failure("refused", "no worker is running", "try again");
      this.#checkPorts(snapshot);
      if (isFirst) for (const seat of seats) if (!seat.isRunning) this.#start(seat);
      const before = { snapshot: this.#snapshot, allotment: this.#allotment };
      const allotment = allot(snapshot, this.#seats.length, before, this.#world.random);
      await this.#prepare(seats, snapshot, allotment);
      this.#snapshot = snapshot;
      this.#allotment = allotment;
    } catch (error) {
      const failure = refusal(error);
      this.#events.add("snapshot-refused", snapshot.version, failure.message);
      throw failure;
    }
    // Who ends right now comes back with this Snapshot.
    await Promise.allSettled(seats.map((seat) => seat.call({ kind: "commit" })));
    for (const seat of seats) seat.hasJoined = seat.isRunning;
    if (isFirst) this.#every(LOOK_EVERY_MS, () => this.#look());
    this.#events.add("snapshot-applied", snapshot.version, "the Snapshot is in force");
  }

  /** All of them, or none. @throws Failure the first worker's that cannot. */
  async #prepare(
    seats: readonly WorkerSeat[],
    snapshot: Snapshot,
    allotment: Allotment,
  ): Promise<void> {
    const order: Order = { kind: "prepare", snapshot, allotment };
    const results = await Promise.allSettled(seats.map((seat) => seat.call(order)));
    const failed = results.find(({ status }) => status === "rejected");
    if (failed === undefined) return;
    await Promise.allSettled(seats.map((seat) => seat.call({ kind: "abandon" })));
    throw (failed as PromiseRejectedResult).reason;
  }

  /**
   * Workers share their ports, with any process of this user that would share it too: so each new
   * one is tried alone first.
   */
  #checkPorts({ bindings }: Snapshot): void {
    const known = new Set(Object.values(this.#snapshot?.bindings.listeners ?? {}).map(inWords));
    for (const [name, address] of Object.entries(bindings.listeners)) {
      if (known.has(inWords(address))) continue;
      if (address.port === 0) {
        throw new Failure(
          "refused",
          `listener ${name} asks for any free port, and several workers cannot agree on one`,
          "give it a port, or run one worker",
        );
      }
      const inherited = this.#world.net.handover.take(address);
      for (const [at, socket] of inherited.entries()) {
        const worker = at % this.#seats.length;
        const of = this.#inherited.get(worker) ?? [];
        this.#inherited.set(worker, [...of, socket]);
      }
      // A worker without one binds the port beside the others, where they let it.
      const isShared = inherited.length > 0;
      if (inherited.length < this.#seats.length) {
        this.#world.net.listen({ address, reusePort: isShared }, () => null).stop();
      }
    }
  }

  /** Of all workers: each has its own at every port, and callers wait in each of them. */
  async sockets(): Promise<readonly ListeningSocket[]> {
    return ((await this.#all({ kind: "sockets" })) as ListeningSocket[][]).flat();
  }

  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const result = this.#changing.then(run);
    this.#changing = result.catch(() => {});
    return result;
  }

  // -------------------------------------------------------------- workers

  #start(seat: WorkerSeat): void {
    seat.start();
    // Once: who replaces a worker that ended opens sockets of its own.
    const inherited = this.#inherited.get(seat.worker) ?? [];
    this.#inherited.delete(seat.worker);
    seat.post({
      kind: "welcome",
      inherited,
      worker: seat.worker,
      workers: this.#seats.length,
      nowMs: this.#world.clock.now(),
      beats: this.#beats,
    });
  }

  #take(seat: WorkerSeat, message: FromWorker): void {
    if (message.kind === "log") this.#log(message.lines);
    else if (message.kind === "event") this.#tell(seat, message.event);
    else if (message.kind === "seen") this.#watches.take(message.id, message.seen, message.lost);
    else if (message.kind === "watch-filters") seat.watched = message.watched;
    else if (message.kind === "ask-for-room") {
      const { cluster } = message;
      for (const other of this.#joined) {
        if (other !== seat) other.post({ kind: "give-room", cluster });
      }
    }
  }

  /** What several workers see, of names or endpoints, is told once. */
  #tell({ worker }: WorkerSeat, event: ProxyEvent): void {
    if (OF_THE_GROUP.has(event.kind)) return;
    const text = `${event.kind} ${event.subject} ${event.text}`;
    if (text === this.#lastTold.text && worker !== this.#lastTold.worker) return;
    this.#lastTold = { worker, text };
    this.#events.take(event);
  }

  #ended(seat: WorkerSeat, reason: string): void {
    if (this.#closed) return;
    const { worker } = seat;
    this.#keepCounts(worker);
    bury(this.#allotment, this.#seats.length, worker);
    this.#findLostCounts();
    const what = `worker ${worker} of ${this.#seats.length}`;
    // Before the first Snapshot is in force its failure is that of `apply`.
    if (this.#snapshot === null || this.#draining) return;
    const waitMs = seat.nextStartMs();
    const when = waitMs === 0 ? "at once" : `in ${Math.ceil(waitMs / 1000)} s`;
    this.#events.add("worker-ended", "", `${what} ended (${reason}); another starts ${when}`);
    const timer = this.#world.clock.after(waitMs, () => {
      this.#timers.delete(timer);
      void this.#inTurn(() => this.#replace(seat));
    });
    this.#timers.add(timer);
  }

  async #replace(seat: WorkerSeat): Promise<void> {
    if (this.#closed || this.#draining) return;
    seat.restarts++;
    this.#start(seat);
    try {
      await this.#prepare([seat], this.#snapshot!, this.#allotment);
      await seat.call({ kind: "commit" });
      await this.#bringFaults(seat);
      await seat.call({ kind: "log-level", level: this.#logLevel });
      this.#watches.bring(seat);
    } catch (error) {
      // Its end follows, and another attempt.
      if (seat.isRunning) seat.terminate((error as Error).message);
      return;
    }
    seat.hasJoined = true;
    this.#events.add("worker-started", "", `worker ${seat.worker} takes requests again`);
  }

  async #bringFaults(seat: WorkerSeat): Promise<void> {
    const [other] = this.#joined;
    if (other === undefined) return;
    for (const fault of (await other.call({ kind: "faults" })) as FaultStatus[]) {
      const { remainingMs, ...order } = fault;
      await seat.call({ kind: "set-fault", order: { ...order, forMs: remainingMs } });
    }
  }

  /** A stuck worker cannot say so: it misses its beats. */
  #look(): void {
    const beats = new Int32Array(this.#beats);
    for (const seat of this.#seats) {
      if (!seat.isRunning) continue;
      const beat = Atomics.load(beats, seat.worker);
      seat.silentLooks = beat === seat.lastBeat ? seat.silentLooks + 1 : 0;
      seat.lastBeat = beat;
      const { watched } = seat;
      const filterLooks = Math.ceil((watched?.limitMs ?? Infinity) / LOOK_EVERY_MS);
      const most = Math.min(SILENT_LOOKS, filterLooks);
      if (seat.silentLooks < most) continue;
      seat.silentLooks = 0;
      const place = watched === null ? "" : `, ${new CellsWatcher(watched).place()}`;
      seat.terminate(`it stood still for ${(most * LOOK_EVERY_MS) / 1000} s${place}`);
    }
  }

  #findLostCounts(): void {
    const lost = new LostCounts();
    let looks = 0;
    const timer = this.#every(LOST_LOOK_EVERY_MS, () => {
      lost.look(this.#allotment, this.#seats.length);
      if (++looks < LOST_LOOKS) return;
      this.#stop(timer);
      lost.takeOff(this.#seats.length);
    });
  }

  #every(intervalMs: number, run: () => void): Timer {
    const timer = this.#world.clock.every(intervalMs, run);
    this.#timers.add(timer);
    return timer;
  }

  #stop(timer: Timer): void {
    timer.cancel();
    this.#timers.delete(timer);
  }

  // -------------------------------------------------------------- faults at run time

  async faults(): Promise<readonly FaultStatus[]> {
    const [seat] = this.#joined;
    return seat === undefined ? [] : ((await seat.call({ kind: "faults" })) as FaultStatus[]);
  }

  /** @throws Failure `refused` where there is no such listener or route. */
  setFault(order: FaultOrder): Promise<void> {
    return this.#inTurn(async () => {
      await this.#all({ kind: "set-fault", order });
      const { listener, route } = order;
      const where = `${listener}${route === null ? "" : ` ${route}`}`;
      this.#events.add("faults-changed", "", `a fault is in force on ${where}`);
    });
  }

  /** Returns how many ended. */
  clearFaults(listener: string | null, route: string | null): Promise<number> {
    return this.#inTurn(async () => {
      const [count = 0] = (await this.#all({ kind: "clear-faults", listener, route })) as number[];
      if (count > 0) this.#events.add("faults-changed", "", `${count} faults cleared`);
      return count;
    });
  }

  #all(order: Order): Promise<unknown[]> {
    return Promise.all(this.#joined.map((seat) => seat.call(order)));
  }

  // -------------------------------------------------------------- malformed messages

  /** Those that came by lately; what a worker saw that has ended since is lost with it. */
  async sightings(since = 0): Promise<readonly Sighting[]> {
    const order: Order = { kind: "take-sightings" };
    const taken = await Promise.allSettled(this.#joined.map((seat) => seat.call(order)));
    const all = taken.flatMap((one) => {
      return one.status === "fulfilled" ? (one.value as readonly Sighting[]) : [];
    });
    this.#sightings.addAll(all);
    return this.#sightings.list(since);
  }

  // -------------------------------------------------------------- looking on

  /** As `Proxy.capture`, over all workers. */
  capture(order: CaptureOrder, take: CaptureTaker): () => Promise<void> {
    return this.#watches.capture(order, take);
  }

  /** As `Proxy.tap`, over all workers. */
  tap(order: TapOrder, take: TapTaker): () => Promise<void> {
    return this.#watches.tap(order, take);
  }

  /** As `Proxy.failures`; what a worker kept is gone with it. */
  async failures(id: string | null): Promise<readonly FailedRequest[]> {
    const asked = this.#joined.map((seat) => seat.call({ kind: "failures", id }));
    const answers = await Promise.allSettled(asked);
    const all = answers.flatMap((one) =>
      one.status === "fulfilled" ? (one.value as FailedRequest[]) : [],
    );
    return all.sort((a, b) => b.timeMs - a.timeMs);
  }

  get logLevel(): LogLevel {
    return this.#logLevel;
  }

  /** Until the process ends. */
  setLogLevel(level: LogLevel): Promise<void> {
    // A worker that takes another's place right now would miss it.
    return this.#inTurn(async () => {
      this.#logLevel = level;
      this.#events.onlyTrouble = level === "error";
      // Who ends right now comes back with this level.
      const order: Order = { kind: "log-level", level };
      await Promise.allSettled(this.#joined.map((seat) => seat.call(order)));
    });
  }

  // -------------------------------------------------------------- stats and metrics

  async stats(): Promise<ProxyStats> {
    const all = await this.#gather<ProxyStats>({ kind: "stats" }, this.#lastStats);
    const { residentBytes, userMs, systemMs } = this.#world.processes.self.usage();
    const [first, ...others] = all;
    const gone = first === undefined ? [] : this.#goneStats.map((one) => remainsOf(one, first));
    const summed = first === undefined ? EMPTY_STATS : sumStats([first, ...others, ...gone]);
    return {
      ...summed,
      workload: this.#snapshot?.workload ?? EMPTY_STATS.workload,
      version: this.#snapshot?.version ?? "",
      policyHash: this.#snapshot?.policyHash ?? "",
      uptimeMs: this.#world.clock.now() - this.#startedMs,
      draining: this.#draining,
      residentBytes,
      cpuMs: userMs + systemMs,
      events: this.#events.list(),
      workers: {
        wanted: this.#seats.length,
        running: this.#joined.length,
        restartsTotal: this.#restarts,
        each: [...this.#lastStats].map(([worker, one]) => workerStats(worker, one)).sort(byWorker),
      },
    };
  }

  /** Prometheus text format. */
  async metrics(): Promise<string> {
    const all = await this.#gather<string>({ kind: "metrics" }, this.#lastMetrics);
    const [first = ""] = all;
    const gone = this.#goneMetrics.map((text) => remainingMetrics(text, first));
    const own = new PrometheusText();
    own.family("outrigger_workers", "gauge", "Workers that take requests.");
    own.sample("outrigger_workers", {}, this.#joined.length);
    const restarts = "outrigger_worker_restarts_total";
    own.family(restarts, "counter", "Workers that ended or stood still, and were replaced.");
    own.sample(restarts, {}, this.#restarts);
    return sumMetrics([...all, ...gone, own.toString()]);
  }

  get #restarts(): number {
    return this.#seats.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** Each worker's; where one does not answer, what it said last: counters never go back. */
  async #gather<Value>(order: Order, last: Map<number, Value>): Promise<Value[]> {
    const asked = this.#joined.map(async (seat) => {
      const { restarts } = seat;
      const value = (await seat.call(order)) as Value;
      // It may have ended meanwhile: then this is counted among what is gone.
      if (seat.hasJoined && seat.restarts === restarts) last.set(seat.worker, value);
    });
    await Promise.allSettled(asked);
    return [...last.values()];
  }

  #keepCounts(worker: number): void {
    const stats = this.#lastStats.get(worker);
    const metrics = this.#lastMetrics.get(worker);
    this.#lastStats.delete(worker);
    this.#lastMetrics.delete(worker);
    // One sum, however many end.
    if (stats !== undefined) {
      this.#goneStats.splice(0, Infinity, sumStats([stats, ...this.#goneStats]));
    }
    if (metrics !== undefined) {
      this.#goneMetrics.splice(0, Infinity, sumMetrics([metrics, ...this.#goneMetrics]));
    }
  }

  // -------------------------------------------------------------- end

  /** Accepts no more, lets what is in flight end within the policy's `drainMs`, closes the rest. */
  async drain({ hasSuccessor }: DrainOptions = { hasSuccessor: false }): Promise<void> {
    if (!this.#draining) {
      this.#draining = true;
      this.#events.add("drain-started", "", "no new connections; requests in flight end");
    }
    const running = this.#seats.filter(({ isRunning }) => isRunning);
    await Promise.allSettled(running.map((seat) => seat.call({ kind: "drain", hasSuccessor })));
    this.close();
  }

  /** Ends everything at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    for (const seat of this.#seats) {
      seat.post({ kind: "close" });
      seat.terminate("the group is closed");
    }
  }
}

const EMPTY_STATS: ProxyStats = {
  workload: { namespace: "", name: "" },
  version: "",
  policyHash: "",
  uptimeMs: 0,
  draining: false,
  residentBytes: 0,
  cpuMs: 0,
  listeners: [],
  clusters: [],
  events: [],
};

function workerStats(worker: number, { listeners }: ProxyStats): WorkerStats {
  const sum = (key: "connectionsActive" | "connectionsTotal"): number =>
    listeners.reduce((total, listener) => total + listener[key], 0);
  return {
    worker,
    connectionsActive: sum("connectionsActive"),
    connectionsTotal: sum("connectionsTotal"),
  };
}

function byWorker(a: WorkerStats, b: WorkerStats): number {
  return a.worker - b.worker;
}

function inWords({ host, port }: HostPort): string {
  return `${host} ${port}`;
}
