import type { RequestRecord } from "../../api/request_record.ts";
import type { TapOrder } from "../../api/tap.ts";
import type { Clock } from "../../base/world.ts";
import { RateBound } from "../watch/rate_bound.ts";
import { MAX_TAPPED_PER_SECOND, type TapTaker } from "../watch/tap.ts";
import type { Order } from "./messages.ts";

/** What a tap asks of a worker. */
interface Tapped {
  call(order: Order): Promise<unknown>;
}

interface Open {
  readonly order: TapOrder;
  readonly take: TapTaker;
  readonly rate: RateBound;
}

/** Taps over all workers of a group: each worker looks, here it comes together. */
export class GroupTaps {
  readonly #clock: Clock;
  readonly #open = new Map<number, Open>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(workers: readonly Tapped[], order: TapOrder, take: TapTaker): number {
    const id = this.#nextId++;
    const rate = new RateBound(this.#clock, MAX_TAPPED_PER_SECOND);
    this.#open.set(id, { order, take, rate });
    tell(workers, { kind: "tap", id, order });
    return id;
  }

  end(workers: readonly Tapped[], id: number): void {
    if (this.#open.delete(id)) tell(workers, { kind: "untap", id });
  }

  /** A worker that takes another's place looks for the same. */
  bring(worker: Tapped): void {
    for (const [id, { order }] of this.#open) tell([worker], { kind: "tap", id, order });
  }

  take(id: number, records: readonly RequestRecord[], lost: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    // What one worker may show in a second is what all may.
    const shown = records.filter(() => open.rate.passes());
    open.take(shown, lost + records.length - shown.length);
  }
}

/** A worker that is gone, or about to, is brought up again when it comes back. */
function tell(workers: readonly Tapped[], order: Order): void {
  for (const worker of workers) void worker.call(order).catch(() => {});
}
