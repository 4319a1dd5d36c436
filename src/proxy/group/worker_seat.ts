import { RestartBackoff } from "../../base/backoff.ts";
import { Failure } from "../../base/failure.ts";
import type { Thread, Timer, World } from "../../base/world.ts";
import type { Watched } from "../typescript/filter_cells.ts";
import type { FromWorker, Order, ToWorker } from "./messages.ts";

/** A worker that leaves an order without an answer for so long is out of order itself. */
const CALL_TIMEOUT_MS = 5_000;
const BACKOFF = { baseMs: 500, maxMs: 30_000, resetAfterMs: 60_000 };

/** What a seat tells the group. */
export interface SeatEvents {
  /** What is no answer. */
  onMessage(seat: WorkerSeat, message: FromWorker): void;
  /** Its thread is gone; nothing of it follows. */
  onEnd(seat: WorkerSeat, reason: string): void;
}

interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Failure) => void;
  readonly timer: Timer | null;
}

/** The place of one worker in its group: its thread now, or the one that is to come. */
export class WorkerSeat {
  readonly worker: number;
  /** Has the Snapshot in force, and takes its part. */
  hasJoined = false;
  /** How often its thread was started anew. */
  restarts = 0;
  /** Its beat when the watchdog last looked, and how often that has not changed since. */
  lastBeat = 0;
  silentLooks = 0;
  /** Where its users' filters can be looked at; null: it has none. */
  watched: Watched | null = null;
  readonly #world: World;
  readonly #events: SeatEvents;
  readonly #backoff: RestartBackoff;
  readonly #calls = new Map<number, Call>();
  #thread: Thread | null = null;
  #startedMs = 0;
  #nextId = 1;
  /** What it said itself of its end. */
  #broken = "";

  constructor(world: World, worker: number, events: SeatEvents) {
    this.#world = world;
    this.worker = worker;
    this.#events = events;
    this.#backoff = new RestartBackoff(world.random, BACKOFF);
  }

  get isRunning(): boolean {
    return this.#thread !== null;
  }

  start(): void {
    this.#startedMs = this.#world.clock.now();
    this.#broken = "";
    this.silentLooks = 0;
    this.watched = null;
    this.#thread = this.#world.threads.start({
      onMessage: (message) => this.#take(message as FromWorker),
      onExit: (reason) => this.#ended(this.#broken === "" ? reason : this.#broken),
    });
  }

  post(message: ToWorker): void {
    this.#thread?.post(message);
  }

  /**
   * @throws Failure as the worker's proxy threw it, or `internal` where the worker ended or did not
   *   answer
   */
  call(order: Order): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#thread === null) {
        reject(new Failure("internal", `worker ${this.worker} is not running`));
        return;
      }
      const id = this.#nextId++;
      const tooLate = (): void => {
        this.#calls.delete(id);
        const text = `worker ${this.worker} did not answer within ${CALL_TIMEOUT_MS / 1000} s`;
        reject(new Failure("internal", text));
      };
      // A drain takes as long as the policy lets it, which the caller knows.
      const timer =
        order.kind === "drain" ? null : this.#world.clock.after(CALL_TIMEOUT_MS, tooLate);
      this.#calls.set(id, { resolve, reject, timer });
      this.post({ kind: "call", id, order });
    });
  }

  /** Ends its thread, wherever it is. */
  terminate(reason: string): void {
    this.#broken ||= reason;
    this.#thread?.terminate();
  }

  /** Until the next start: at once after the first end, then more and more. */
  nextStartMs(): number {
    return this.#backoff.nextMs(this.#world.clock.now() - this.#startedMs);
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case "answer":
        return this.#settle(message.id)?.resolve(message.value);
      case "refusal": {
        const { kind, message: text, advice } = message.failure;
        return this.#settle(message.id)?.reject(new Failure(kind, text, advice));
      }
      case "broken":
        return this.terminate(message.text);
      default:
        return this.#events.onMessage(this, message);
    }
  }

  #settle(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    call?.timer?.cancel();
    return call;
  }

  #ended(reason: string): void {
    this.#thread = null;
    this.hasJoined = false;
    for (const id of [...this.#calls.keys()]) {
      const text = `worker ${this.worker} ended: ${reason}`;
      this.#settle(id)?.reject(new Failure("internal", text));
    }
    this.#events.onEnd(this, reason);
  }
}
