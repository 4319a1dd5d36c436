import type { CaptureOrder } from "../../api/capture.ts";
import type { TapOrder } from "../../api/tap.ts";
import type { Clock } from "../../base/world.ts";
import { type CaptureTaker, MAX_CAPTURED_PER_SECOND } from "../watch/capture.ts";
import { RateBound } from "../watch/rate_bound.ts";
import { MAX_TAPPED_PER_SECOND, type TapTaker } from "../watch/tap.ts";
import type { Order, Watch } from "./messages.ts";

/** What a watch asks of a worker. */
interface Watching {
  call(order: Order): Promise<unknown>;
}

type Taker = (seen: readonly unknown[], lost: number) => void;

interface Open {
  readonly watch: Watch;
  readonly take: Taker;
  readonly rate: RateBound;
  isEnding: boolean;
}

/** Taps and captures over all workers of a group: each worker looks, here it comes together. */
export class GroupWatches {
  readonly #clock: Clock;
  readonly #workers: () => readonly Watching[];
  readonly #open = new Map<number, Open>();
  #nextId = 1;

  /** @param workers those that take requests now */
  constructor(clock: Clock, workers: () => readonly Watching[]) {
    this.#clock = clock;
    this.#workers = workers;
  }

  /** Returns what ends it; it resolves when all that was seen until then has been handed on. */
  tap(order: TapOrder, take: TapTaker): () => Promise<void> {
    return this.#start({ what: "tap", order }, take as Taker, MAX_TAPPED_PER_SECOND);
  }

  /** As `tap`. */
  capture(order: CaptureOrder, take: CaptureTaker): () => Promise<void> {
    return this.#start({ what: "capture", order }, take as Taker, MAX_CAPTURED_PER_SECOND);
  }

  #start(watch: Watch, take: Taker, perSecond: number): () => Promise<void> {
    const id = this.#nextId++;
    // What one worker may show in a second is what all may.
    const rate = new RateBound(this.#clock, perSecond);
    this.#open.set(id, { watch, take, rate, isEnding: false });
    void this.#tell(this.#workers(), { kind: "watch", id, watch });
    return () => this.#end(id);
  }

  async #end(id: number): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined || open.isEnding) return;
    open.isEnding = true;
    // Each hands on the last of it before it answers.
    await this.#tell(this.#workers(), { kind: "unwatch", id });
    this.#open.delete(id);
  }

  /** A worker that takes another's place looks for the same. */
  bring(worker: Watching): void {
    for (const [id, { watch, isEnding }] of this.#open) {
      if (!isEnding) void this.#tell([worker], { kind: "watch", id, watch });
    }
  }

  take(id: number, seen: readonly unknown[], lost: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    const shown = seen.filter(() => open.rate.passes());
    open.take(shown, lost + seen.length - shown.length);
  }

  /** A worker that is gone, or about to, is brought up again when it comes back. */
  async #tell(workers: readonly Watching[], order: Order): Promise<void> {
    await Promise.allSettled(workers.map((worker) => worker.call(order)));
  }
}
