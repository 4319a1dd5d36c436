import type { BreakerPolicy } from "../../api/snapshot.ts";
import {
  type Breaker,
  type BreakerCause,
  type BreakerListener,
  type BreakerState,
  WINDOW_SLOTS,
} from "../cluster/breaker.ts";
import { breakLock, lock, unlock } from "./lock.ts";
import type { GroupMember } from "./member.ts";

const STATES: readonly BreakerState[] = ["closed", "open", "half-open"];
const CLOSED = 0;
const OPEN = 1;
const HALF_OPEN = 2;

// Cells of 4 bytes. The first two are one float64: when an open breaker lets probes through.
const STATE = 2;
const LOCK = 3;
const PROBES_GOOD = 4;
/** The number of the time slot that a slot of the window counts. */
const STAMPS = 5;
const TOTAL = STAMPS + WINDOW_SLOTS;
const FAILED = TOTAL + WINDOW_SLOTS;
const SLOW = FAILED + WINDOW_SLOTS;
/** A column a worker. */
const PROBES_ACTIVE = SLOW + WINDOW_SLOTS;

/** Time slots are counted in so many bits. */
const STAMP_MASK = 0x3fff_ffff;

/** What the workers share of a breaker, and what they have to agree on. */
export interface BreakerMemory {
  readonly cells: SharedArrayBuffer;
  /** Above every pass of the breaker that this one replaces. */
  readonly firstPass: number;
}

export function breakerMemory(workers: number, firstPass: number): BreakerMemory {
  const bytes = (PROBES_ACTIVE + workers + 1) * Int32Array.BYTES_PER_ELEMENT;
  return { cells: new SharedArrayBuffer(Math.ceil(bytes / 8) * 8), firstPass };
}

/** A dead worker's probes will not end any more. */
export function buryBreaker({ cells }: BreakerMemory, worker: number): void {
  const view = new Int32Array(cells);
  breakLock(view, LOCK, worker);
  Atomics.store(view, PROBES_ACTIVE + worker, 0);
}

export type BreakerSeat = Pick<GroupMember, "worker" | "workers" | "clockOffsetMs">;

/**
 * One breaker of all workers: it opens by the tries of all of them, once, and lets as many probes
 * through in all as one alone would. The same rules as `LocalBreaker`. Only a change of state and a
 * probe take the lock; a try of a closed breaker is a load and an atomic addition.
 */
export class GroupBreaker implements Breaker {
  readonly #policy: BreakerPolicy;
  readonly #changed: BreakerListener;
  readonly #seat: BreakerSeat;
  readonly #cells: Int32Array;
  readonly #openUntilMs: Float64Array;
  readonly #firstPass: number;
  readonly #slotMs: number;

  constructor(
    policy: BreakerPolicy,
    memory: BreakerMemory,
    seat: BreakerSeat,
    /** Called in the worker that changed it, and in no other. */
    changed: BreakerListener,
  ) {
    this.#policy = policy;
    this.#changed = changed;
    this.#seat = seat;
    this.#cells = new Int32Array(memory.cells);
    this.#openUntilMs = new Float64Array(memory.cells, 0, 1);
    this.#firstPass = memory.firstPass;
    this.#slotMs = policy.windowMs / WINDOW_SLOTS;
  }

  get state(): BreakerState {
    return STATES[Atomics.load(this.#cells, STATE) & 3]!;
  }

  get nextPass(): number {
    return this.#pass(Atomics.load(this.#cells, STATE)) + 1;
  }

  /** The state's word counts changes above its lowest two bits. */
  #pass(word: number): number {
    return this.#firstPass + (word >>> 2);
  }

  tryAcquire(ownNowMs: number): number {
    const nowMs = ownNowMs + this.#seat.clockOffsetMs;
    const word = Atomics.load(this.#cells, STATE);
    if ((word & 3) === CLOSED) return this.#pass(word);
    // Written before the state became so, and not again before it changes.
    if ((word & 3) === OPEN && nowMs < this.#openUntilMs[0]!) return 0;
    return this.#acquireProbe(nowMs);
  }

  #acquireProbe(nowMs: number): number {
    const cells = this.#cells;
    let isChanged = false;
    let pass = 0;
    lock(cells, LOCK, this.#seat.worker);
    let word = cells[STATE]!;
    if ((word & 3) === OPEN && nowMs >= this.#openUntilMs[0]!) {
      word = this.#become(word, HALF_OPEN);
      isChanged = true;
    }
    if ((word & 3) === CLOSED) pass = this.#pass(word);
    else if ((word & 3) === HALF_OPEN && this.#probes() < this.#policy.halfOpenRequests) {
      cells[PROBES_ACTIVE + this.#seat.worker]!++;
      pass = this.#pass(word);
    }
    unlock(cells, LOCK);
    if (isChanged) this.#changed("half-open", 0, "failed");
    return pass;
  }

  /** In flight and good ones, under the lock. */
  #probes(): number {
    let probes = this.#cells[PROBES_GOOD]!;
    for (let worker = 0; worker < this.#seat.workers; worker++) {
      probes += this.#cells[PROBES_ACTIVE + worker]!;
    }
    return probes;
  }

  record(pass: number, ownNowMs: number, failed: boolean, tookMs = 0): void {
    const word = Atomics.load(this.#cells, STATE);
    if (pass !== this.#pass(word) || (word & 3) === OPEN) return;
    const nowMs = ownNowMs + this.#seat.clockOffsetMs;
    const { slowCallMs } = this.#policy;
    const slow = slowCallMs !== undefined && tookMs >= slowCallMs;
    if ((word & 3) === CLOSED) this.#count(pass, nowMs, failed, slow);
    else this.#endProbe(pass, nowMs, failed, slow);
  }

  release(pass: number): void {
    const cells = this.#cells;
    lock(cells, LOCK, this.#seat.worker);
    const word = cells[STATE]!;
    if (pass === this.#pass(word) && (word & 3) === HALF_OPEN) {
      cells[PROBES_ACTIVE + this.#seat.worker]!--;
    }
    unlock(cells, LOCK);
  }

  #endProbe(pass: number, nowMs: number, failed: boolean, slow: boolean): void {
    const cells = this.#cells;
    let to = -1;
    lock(cells, LOCK, this.#seat.worker);
    const word = cells[STATE]!;
    if (pass === this.#pass(word) && (word & 3) === HALF_OPEN) {
      cells[PROBES_ACTIVE + this.#seat.worker]!--;
      if (failed || slow) to = OPEN;
      else if (++cells[PROBES_GOOD]! >= this.#policy.halfOpenRequests) to = CLOSED;
      if (to === OPEN) this.#openUntilMs[0] = nowMs + this.#policy.openMs;
      if (to === CLOSED) cells.fill(0, TOTAL, SLOW + WINDOW_SLOTS);
      if (to >= 0) this.#become(word, to);
    }
    unlock(cells, LOCK);
    if (to === OPEN) this.#changed("open", 1, failed ? "failed" : "slow");
    if (to === CLOSED) this.#changed("closed", 0, "failed");
  }

  #count(pass: number, nowMs: number, failed: boolean, slow: boolean): void {
    const cells = this.#cells;
    const number = Math.floor(nowMs / this.#slotMs);
    const slot = number % WINDOW_SLOTS;
    const stamp = number & STAMP_MASK;
    if (Atomics.load(cells, STAMPS + slot) !== stamp) this.#turn(slot, stamp);
    Atomics.add(cells, TOTAL + slot, 1);
    if (!failed && !slow) return;
    if (failed) Atomics.add(cells, FAILED + slot, 1);
    if (slow) Atomics.add(cells, SLOW + slot, 1);
    const total = this.#inWindow(TOTAL, stamp);
    if (total < this.#policy.minRequests) return;
    const failures = this.#inWindow(FAILED, stamp);
    const slows = this.#inWindow(SLOW, stamp);
    const { errorRate, slowCallRate = 1 } = this.#policy;
    if (failures >= errorRate * total) this.#open(pass, nowMs, failures / total, "failed");
    else if (slow && slows >= slowCallRate * total) this.#open(pass, nowMs, slows / total, "slow");
  }

  /** Clears a slot for the time that begins. */
  #turn(slot: number, stamp: number): void {
    const cells = this.#cells;
    lock(cells, LOCK, this.#seat.worker);
    const age = (stamp - cells[STAMPS + slot]!) & STAMP_MASK;
    // Not where another worker's clock is ahead and the slot belongs to a later time already.
    if (age !== 0 && age < STAMP_MASK / 2) {
      cells[TOTAL + slot] = 0;
      cells[FAILED + slot] = 0;
      cells[SLOW + slot] = 0;
      Atomics.store(cells, STAMPS + slot, stamp);
    }
    unlock(cells, LOCK);
  }

  #inWindow(from: number, stamp: number): number {
    let total = 0;
    for (let slot = 0; slot < WINDOW_SLOTS; slot++) {
      const age = (stamp - Atomics.load(this.#cells, STAMPS + slot)) & STAMP_MASK;
      if (age < WINDOW_SLOTS) total += Atomics.load(this.#cells, from + slot);
    }
    return total;
  }

  /** Unless another worker was faster. */
  #open(pass: number, nowMs: number, rate: number, cause: BreakerCause): void {
    const cells = this.#cells;
    lock(cells, LOCK, this.#seat.worker);
    const word = cells[STATE]!;
    const isFirst = pass === this.#pass(word) && (word & 3) === CLOSED;
    if (isFirst) {
      this.#openUntilMs[0] = nowMs + this.#policy.openMs;
      this.#become(word, OPEN);
    }
    unlock(cells, LOCK);
    if (isFirst) this.#changed("open", rate, cause);
  }

  /** Under the lock. Returns the state's new word. */
  #become(word: number, state: number): number {
    const cells = this.#cells;
    cells[PROBES_GOOD] = 0;
    cells.fill(0, PROBES_ACTIVE, PROBES_ACTIVE + this.#seat.workers);
    const next = (((word >>> 2) + 1) << 2) | state;
    Atomics.store(cells, STATE, next);
    return next;
  }
}
