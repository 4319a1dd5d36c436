import type { CapturedRequest, CaptureOrder } from "../../api/capture.ts";
import type { CaptureTaker } from "../watch/capture.ts";
import type { Order } from "./messages.ts";

/** What a capture asks of a worker. */
interface Captured {
  call(order: Order): Promise<unknown>;
}

/** Captures over all workers of a group: each worker draws its part, here it comes together. */
export class GroupCaptures {
  readonly #open = new Map<number, { readonly order: CaptureOrder; readonly take: CaptureTaker }>();
  #nextId = 1;

  start(workers: readonly Captured[], order: CaptureOrder, take: CaptureTaker): number {
    const id = this.#nextId++;
    this.#open.set(id, { order, take });
    tell(workers, { kind: "capture", id, order });
    return id;
  }

  end(workers: readonly Captured[], id: number): void {
    if (this.#open.delete(id)) tell(workers, { kind: "end-capture", id });
  }

  /** A worker that takes another's place captures too. */
  bring(worker: Captured): void {
    for (const [id, { order }] of this.#open) tell([worker], { kind: "capture", id, order });
  }

  take(id: number, requests: readonly CapturedRequest[], lost: number): void {
    this.#open.get(id)?.take(requests, lost);
  }
}

/** A worker that is gone, or about to, gets it when it comes back. */
function tell(workers: readonly Captured[], order: Order): void {
  for (const worker of workers) void worker.call(order).catch(() => {});
}
