import type { Clock, Timer } from "../world.ts";

/** A longer delay overflows in setTimeout, which then fires at once. */
const LONGEST_DELAY_MS = 0x7fff_ffff;

export class BunClock implements Clock {
  now(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, run: () => void): Timer {
    return new OnceTimer(delayMs, run);
  }

  every(intervalMs: number, run: () => void): Timer {
    return new RepeatingTimer(intervalMs, run);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }
}

class OnceTimer implements Timer {
  #due: number;
  #run: () => void;
  #timer: Timeout;

  constructor(delayMs: number, run: () => void) {
    const delay = Math.max(0, delayMs);
    this.#due = performance.now() + delay;
    this.#run = run;
    this.#timer = setTimeout(this.#fire, wholeDelay(delay));
  }

  // setTimeout may be up to a millisecond early, and a long delay comes in parts.
  #fire = (): void => {
    const left = this.#due - performance.now();
    if (left > 0) this.#timer = setTimeout(this.#fire, wholeDelay(left));
    else this.#run();
  };

  cancel(): void {
    clearTimeout(this.#timer);
  }
}

class RepeatingTimer implements Timer {
  #timer: Timeout;

  constructor(intervalMs: number, run: () => void) {
    this.#timer = setInterval(run, Math.max(1, wholeDelay(intervalMs)));
  }

  cancel(): void {
    clearInterval(this.#timer);
  }
}

type Timeout = ReturnType<typeof setTimeout>;

function wholeDelay(delayMs: number): number {
  return Math.min(LONGEST_DELAY_MS, Math.ceil(delayMs));
}
