import type { Clock, Timer } from "../base/world.ts";

/** Conditions that somebody waits for. They are looked at whenever an event has found its end. */
export class Awaited {
  #clock: Clock;
  #waiters: { readonly condition: () => boolean; readonly end: () => void }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False where it did not come true within the bound. */
  until(condition: () => boolean, boundMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (value: boolean): void => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        timer.cancel();
        resolve(value);
      };
      const waiter = { condition, end: () => end(true) };
      const timer: Timer = this.#clock.after(boundMs, () => end(false));
      this.#waiters.push(waiter);
    });
  }

  look(): void {
    if (this.#waiters.length === 0) return;
    for (const one of [...this.#waiters]) if (one.condition()) one.end();
  }
}
