import type { CapturedRequest } from "../../api/capture.ts";
import type { RequestRecord } from "../../api/request_record.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { Failure } from "../../base/failure.ts";
import type { Net, ThreadPort, Timer, World } from "../../base/world.ts";
import { type PreparedSnapshot, Proxy } from "../proxy.ts";
import type { Allotment } from "./allotment.ts";
import { BEAT_MS, type FromWorker, type Order, type ToWorker } from "./messages.ts";
import type { Watch, Welcome } from "./messages.ts";

/** What a worker's thread runs: one proxy that does what the main thread says. */
export function runWorker(world: World, port: ThreadPort): void {
  const post = (message: FromWorker): void => port.post(message);
  let worker: GroupWorker | null = null;
  world.processes.self.onUncaught((error) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    post({ kind: "broken", text });
  });
  port.onMessage((message) => {
    const order = message as ToWorker;
    if (order.kind === "welcome") worker = new GroupWorker(world, post, order);
    else worker?.take(order);
  });
}

class GroupWorker {
  readonly #post: (message: FromWorker) => void;
  readonly #net: Net;
  readonly #proxy: Proxy;
  readonly #beat: Timer;
  #prepared: PreparedSnapshot | null = null;
  /** Grows with each preparation, and with each that the group gives up. */
  #turn = 0;
  /** What ends each. */
  readonly #watches = new Map<number, () => void>();

  constructor(world: World, post: (message: FromWorker) => void, welcome: Welcome) {
    const { worker, workers, nowMs, beats, inherited } = welcome;
    this.#post = post;
    this.#net = world.net;
    world.net.handover.inherit(inherited);
    world.net.room.divide(workers);
    this.#proxy = new Proxy(world, {
      log: (lines) => post({ kind: "log", lines }),
      tell: (event) => post({ kind: "event", event }),
      collectsWhenQuiet: true,
      member: {
        worker,
        workers,
        // Late by a message's way, some 10 us: windows and waits are milliseconds.
        clockOffsetMs: nowMs - world.clock.now(),
        askForRoom: (cluster) => post({ kind: "ask-for-room", cluster }),
        watchFilters: (watched) => post({ kind: "watch-filters", watched }),
      },
    });
    const cells = new Int32Array(beats);
    this.#beat = world.clock.every(BEAT_MS, () => Atomics.add(cells, worker, 1));
  }

  take(message: Exclude<ToWorker, Welcome>): void {
    switch (message.kind) {
      case "call":
        void this.#answer(message.id, message.order);
        return;
      case "give-room":
        return this.#proxy.giveRoom(message.cluster);
      case "close":
        this.#beat.cancel();
        return this.#proxy.close();
    }
  }

  async #answer(id: number, order: Order): Promise<void> {
    try {
      const value = await this.#do(order);
      this.#post({ kind: "answer", id, value });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const { kind, message, advice } = error;
      this.#post({ kind: "refusal", id, failure: { kind, message, advice } });
    }
  }

  #do(order: Order): unknown {
    const proxy = this.#proxy;
    switch (order.kind) {
      case "prepare":
        return this.#prepare(order.snapshot, order.allotment);
      case "commit":
        this.#prepared?.commit();
        this.#prepared = null;
        return null;
      case "abandon":
        this.#turn++;
        this.#prepared?.abandon();
        this.#prepared = null;
        return null;
      case "stats":
        return proxy.stats();
      case "metrics":
        return proxy.metrics();
      case "take-sightings":
        return proxy.takeSightings();
      case "watch":
        this.#watches.set(order.id, this.#watch(order.id, order.watch));
        return null;
      case "unwatch":
        this.#watches.get(order.id)?.();
        this.#watches.delete(order.id);
        return null;
      case "failures":
        return proxy.failures(order.id);
      case "log-level":
        return proxy.setLogLevel(order.level);
      case "faults":
        return proxy.faults();
      case "set-fault":
        return proxy.setFault(order.order);
      case "clear-faults":
        return proxy.clearFaults(order.listener, order.route);
      case "sockets":
        return this.#net.handover.listening();
      case "drain":
        return proxy.drain(order);
    }
  }
  async #prepare(snapshot: Snapshot, allotment: Allotment): Promise<null> {
    const turn = ++this.#turn;
    await this.#proxy.loadFilters(snapshot);
    // A user's code took its time, and the group waits no longer: nobody would end what opens now.
    if (turn !== this.#turn) throw new Failure("refused", "it was given up meanwhile");
    this.#prepared = this.#proxy.prepare(snapshot, allotment);
    return null;
  }

  #watch(id: number, watch: Watch): () => void {
    const take = (seen: readonly RequestRecord[] | readonly CapturedRequest[], lost: number): void =>
      this.#post({ kind: "seen", id, seen, lost });
    if (watch.what === "tap") return this.#proxy.tap(watch.order, take);
    return this.#proxy.capture(watch.order, take);
  }
}
