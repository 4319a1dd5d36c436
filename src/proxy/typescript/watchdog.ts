import type { Thread, ThreadPort, Timer, World } from "../../base/world.ts";
import { EXIT_CODES } from "../../base/failure.ts";
import { BEAT_MS, CellsWatcher, type Watched } from "./filter_cells.ts";

/** What the watchdog's thread is told: at first, and when something of it changes. */
export interface WatchOrder extends Watched {
  readonly kind: "watch-filters";
}

/** The watched thread's own end: starts a watchdog beside it, and tells it what changes. */
export class Watchdog {
  readonly #thread: Thread;

  constructor(world: World) {
    this.#thread = world.threads.start({ onMessage: () => {}, onExit: () => {} });
  }

  watch(watched: Watched): void {
    const order: WatchOrder = { kind: "watch-filters", ...watched };
    this.#thread.post(order);
  }

  stop(): void {
    this.#thread.terminate();
  }
}

/**
 * What the watchdog's thread runs. A process whose event loop stands still serves nobody, and cannot
 * be asked to end: so it is ended from here, and whoever supervises it starts it anew.
 */
export function runWatchdog(world: World, port: ThreadPort): void {
  let timer: Timer | null = null;
  port.onMessage((message) => {
    const order = message as WatchOrder;
    const watcher = new CellsWatcher(order);
    timer?.cancel();
    timer = world.clock.every(BEAT_MS, () => {
      const place = watcher.look();
      if (place === null) return;
      timer?.cancel();
      world.stdio.stderr.write(
        `outrigger: the event loop has stood still for ${order.limitMs / 1000} s, ${place}; ` +
          "this process ends here, and its supervisor starts it anew\n",
      );
      world.processes.self.halt(EXIT_CODES.internal);
    });
  });
}
