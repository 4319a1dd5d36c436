import type { BreakerPolicy } from "../../api/snapshot.ts";

export type BreakerState = "closed" | "open" | "half-open";

/** `rate` is the part of the tries that opened it, by failures or by slowness. */
export type BreakerListener = (to: BreakerState, rate: number, cause: BreakerCause) => void;
export type BreakerCause = "failed" | "slow";

/** The window is counted in this many parts; the oldest one falls out as time goes on. */
export const WINDOW_SLOTS = 10;
const SLOTS = WINDOW_SLOTS;

/** Of one proxy alone, or of a group of workers (group/group_breaker.ts): the same rules. */
export interface Breaker {
  readonly state: BreakerState;
  readonly nextPass: number;
  /**
   * Asks for a try. 0 is no; anything else is a pass to hand back by `record` or `release`, once.
   */
  tryAcquire(nowMs: number): number;
  /** How a try ended. A pass from before the last change of state says nothing of the new one. */
  record(pass: number, nowMs: number, failed: boolean, tookMs?: number): void;
  /** A try that was acquired ended without saying anything of the upstream. */
  release(pass: number): void;
}

/**
 * Opens when too large a part of the tries in the last `windowMs` failed, or was slow; refuses for
 * `openMs`, then lets a few probes through: as many successes close it, one that fails or is slow
 * opens it anew.
 * Closed: a window of 10 s is ten slots of 1 s.
 */
export class LocalBreaker implements Breaker {
  state: BreakerState = "closed";
  readonly #policy: BreakerPolicy;
  readonly #changed: BreakerListener;
  readonly #total = new Uint32Array(SLOTS);
  readonly #failed = new Uint32Array(SLOTS);
  readonly #slow = new Uint32Array(SLOTS);
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
    changed: BreakerListener,
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

  record(pass: number, nowMs: number, failed: boolean, tookMs = 0): void {
    if (pass !== this.#pass) return;
    const { slowCallMs } = this.#policy;
    const slow = slowCallMs !== undefined && tookMs >= slowCallMs;
    switch (this.state) {
      case "closed":
        this.#count(nowMs, failed, slow);
        return;
      case "half-open":
        this.#probesActive--;
        if (failed || slow) this.#open(nowMs, 1, failed ? "failed" : "slow");
        else if (++this.#probesGood >= this.#policy.halfOpenRequests) this.#close(nowMs);
        return;
      case "open":
        return;
    }
  }

  release(pass: number): void {
    if (pass === this.#pass && this.state === "half-open") this.#probesActive--;
  }

  #count(nowMs: number, failed: boolean, slow: boolean): void {
    this.#advance(nowMs);
    this.#total[this.#slot]!++;
    if (!failed && !slow) return;
    if (failed) this.#failed[this.#slot]!++;
    if (slow) this.#slow[this.#slot]!++;
    const total = sum(this.#total);
    if (total < this.#policy.minRequests) return;
    const failures = sum(this.#failed);
    const slows = sum(this.#slow);
    if (failures >= this.#policy.errorRate * total) this.#open(nowMs, failures / total, "failed");
    else if (slow && slows >= (this.#policy.slowCallRate ?? 1) * total) {
      this.#open(nowMs, slows / total, "slow");
    }
  }

  #advance(nowMs: number): void {
    if (nowMs < this.#slotEndsMs) return;
    const passed = Math.floor((nowMs - this.#slotEndsMs) / this.#slotMs) + 1;
    for (let step = 0; step < Math.min(passed, SLOTS); step++) {
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#total[this.#slot] = 0;
      this.#failed[this.#slot] = 0;
      this.#slow[this.#slot] = 0;
    }
    this.#slotEndsMs += passed * this.#slotMs;
  }

  #open(nowMs: number, rate: number, cause: BreakerCause): void {
    this.#openUntilMs = nowMs + this.#policy.openMs;
    this.#become("open", rate, cause);
  }

  #close(nowMs: number): void {
    this.#total.fill(0);
    this.#failed.fill(0);
    this.#slow.fill(0);
    this.#slotEndsMs = nowMs + this.#slotMs;
    this.#become("closed", 0);
  }

  #become(state: BreakerState, rate: number, cause: BreakerCause = "failed"): void {
    this.state = state;
    this.#pass++;
    this.#probesActive = 0;
    this.#probesGood = 0;
    this.#changed(state, rate, cause);
  }
}

function sum(slots: Uint32Array): number {
  let total = 0;
  for (let slot = 0; slot < SLOTS; slot++) total += slots[slot]!;
  return total;
}
