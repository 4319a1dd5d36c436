import type { BreakerPolicy } from "../../api/snapshot.ts";

export type BreakerState = "closed" | "open" | "half-open";

/** The window is counted in this many parts; the oldest one falls out as time goes on. */
const SLOTS = 10;

/**
 * Opens when too large a part of the tries in the last `windowMs` failed, refuses for `openMs`, then
 * lets a few probes through: as many successes close it, one failure opens it anew.
 * Closed: a window of 10 s is ten slots of 1 s.
 */
export class Breaker {
  state: BreakerState = "closed";
  readonly #policy: BreakerPolicy;
  readonly #changed: (to: BreakerState, errorRate: number) => void;
  readonly #total = new Uint32Array(SLOTS);
  readonly #failed = new Uint32Array(SLOTS);
  readonly #slotMs: number;
  #slot = 0;
  #slotEndsMs = 0;
  #openUntilMs = 0;
  /** Counts changes of state. */
  #pass: number;
  #probesActive = 0;
  #probesGood = 0;

  constructor(
    policy: BreakerPolicy,
    nowMs: number,
    changed: (to: BreakerState, errorRate: number) => void,
    /** Above every pass of the breaker that this one replaces. */
    firstPass = 1,
  ) {
    this.#pass = firstPass;
    this.#policy = policy;
    this.#changed = changed;
    this.#slotMs = policy.windowMs / SLOTS;
    this.#slotEndsMs = nowMs + this.#slotMs;
  }

  get nextPass(): number {
    return this.#pass + 1;
  }

  /**
   * Asks for a try. 0 is no; anything else is a pass to hand back by `record` or `release`, once.
   */
  tryAcquire(nowMs: number): number {
    if (this.state === "closed") return this.#pass;
    if (this.state === "open") {
      if (nowMs < this.#openUntilMs) return 0;
      this.#become("half-open", 0);
    }
    if (this.#probesActive + this.#probesGood >= this.#policy.halfOpenRequests) return 0;
    this.#probesActive++;
    return this.#pass;
  }

  /** How a try ended. A pass from before the last change of state says nothing of the new one. */
  record(pass: number, nowMs: number, failed: boolean): void {
    if (pass !== this.#pass) return;
    switch (this.state) {
      case "closed":
        this.#count(nowMs, failed);
        return;
      case "half-open":
        this.#probesActive--;
        if (failed) this.#open(nowMs, 1);
        else if (++this.#probesGood >= this.#policy.halfOpenRequests) this.#close(nowMs);
        return;
      case "open":
        return;
    }
  }

  /** A try that was acquired ended without saying anything of the upstream. */
  release(pass: number): void {
    if (pass === this.#pass && this.state === "half-open") this.#probesActive--;
  }

  #count(nowMs: number, failed: boolean): void {
    this.#advance(nowMs);
    this.#total[this.#slot]!++;
    if (!failed) return;
    this.#failed[this.#slot]!++;
    let total = 0;
    let failures = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      total += this.#total[slot]!;
      failures += this.#failed[slot]!;
    }
    if (total >= this.#policy.minRequests && failures >= this.#policy.errorRate * total) {
      this.#open(nowMs, failures / total);
    }
  }

  #advance(nowMs: number): void {
    if (nowMs < this.#slotEndsMs) return;
    const passed = Math.floor((nowMs - this.#slotEndsMs) / this.#slotMs) + 1;
    for (let step = 0; step < Math.min(passed, SLOTS); step++) {
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#total[this.#slot] = 0;
      this.#failed[this.#slot] = 0;
    }
    this.#slotEndsMs += passed * this.#slotMs;
  }

  #open(nowMs: number, errorRate: number): void {
    this.#openUntilMs = nowMs + this.#policy.openMs;
    this.#become("open", errorRate);
  }

  #close(nowMs: number): void {
    this.#total.fill(0);
    this.#failed.fill(0);
    this.#slotEndsMs = nowMs + this.#slotMs;
    this.#become("closed", 0);
  }

  #become(state: BreakerState, errorRate: number): void {
    this.state = state;
    this.#pass++;
    this.#probesActive = 0;
    this.#probesGood = 0;
    this.#changed(state, errorRate);
  }
}
