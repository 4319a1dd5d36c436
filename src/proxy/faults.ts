import type { FaultOrder, FaultPolicy, FaultStatus } from "../api/fault.ts";
import type { FilterPolicy, RoutePolicy } from "../api/snapshot.ts";
import type { Clock, Timer } from "../base/world.ts";

interface Entry {
  readonly order: FaultOrder;
  readonly endsMs: number | null;
  readonly timer: Timer | null;
}

/** Filters that a fault stands behind: a request has its name and its limit first. */
const BEFORE_FAULT: ReadonlySet<string> = new Set([
  "request_id",
  "trace_context",
  "deny",
  "rate_limit",
]);

/**
 * Faults that were switched on at run time: at most one a listener, and one a route, whose own goes
 * first. Each takes the place of the file's fault on its routes. They outlive a new Snapshot for as
 * long as their listener and route are in it, and end with the process.
 */
export class RuntimeFaults {
  readonly #clock: Clock;
  /** One ended by itself. */
  readonly #expired: () => void;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** In the place of one that is there. */
  set(order: FaultOrder): void {
    const key = keyOf(order.listener, order.route);
    this.#remove(key);
    const { forMs } = order;
    const timer =
      forMs === null
        ? null
        : this.#clock.after(forMs, () => {
            this.#entries.delete(key);
            this.#expired();
          });
    const endsMs = forMs === null ? null : this.#clock.now() + forMs;
    this.#entries.set(key, { order, endsMs, timer });
  }

  /** Those of a listener, or of one of its routes; all where both are null. Returns how many. */
  clear(listener: string | null, route: string | null): number {
    let count = 0;
    for (const [key, { order }] of this.#entries) {
      if (listener !== null && order.listener !== listener) continue;
      if (route !== null && order.route !== route) continue;
      this.#remove(key);
      count++;
    }
    return count;
  }

  list(): readonly FaultStatus[] {
    const now = this.#clock.now();
    return [...this.#entries.values()].map(({ order, endsMs }) => ({
      ...order,
      remainingMs: endsMs === null ? null : Math.max(0, endsMs - now),
    }));
  }

  /** Forgets those whose listener or route is gone. */
  retain(has: (listener: string, route: string | null) => boolean): void {
    for (const [key, { order }] of this.#entries) {
      if (!has(order.listener, order.route)) this.#remove(key);
    }
  }

  /** A route with the fault that is in force on it. */
  withFault(listener: string, route: RoutePolicy): RoutePolicy {
    const found =
      this.#entries.get(keyOf(listener, route.name)) ?? this.#entries.get(keyOf(listener, null));
    if (found === undefined) return route;
    return { ...route, filters: replaced(route.filters, found.order.fault) };
  }

  #remove(key: string): void {
    this.#entries.get(key)?.timer?.cancel();
    this.#entries.delete(key);
  }
}

function keyOf(listener: string, route: string | null): string {
  return JSON.stringify([listener, route]);
}

function replaced(filters: readonly FilterPolicy[], fault: FaultPolicy): FilterPolicy[] {
  const others = filters.filter(({ filter }) => filter !== "fault");
  const at = others.findLastIndex(({ filter }) => BEFORE_FAULT.has(filter)) + 1;
  return others.toSpliced(at, 0, { filter: "fault", config: { ...fault } });
}
