import type { AdaptivePolicy } from "../../api/snapshot.ts";
import type { Random } from "../../base/world.ts";

/** Samples of one window; of more the last ones count. */
const MAX_SAMPLES = 1024;
/** One step changes the limit by no more than this: a window is short, and chance is large. */
const LEAST_GRADIENT = 0.5;
const MOST_GRADIENT = 2;
/** Less than this is no queue, whatever part of the minimum it is: a turn of the event loop. */
const LEAST_TOLERANCE_MS = 1;
/** At its minimum for so many windows in a row, what was measured is doubted. */
const DOUBT_AFTER = 5;

/**
 * How many requests a callee may have in flight, found by how long it takes: the gradient
 * controller of Envoy's adaptive concurrency filter. Every `measureEveryMs` (with jitter, so that
 * the callers of one callee do not measure together) it lets only `min` in until `measureSamples`
 * tries are through; their percentile is the callee's time without a queue. Then, each window, the
 * limit follows how that time, with the tolerance, relates to the window's, and the square root of
 * the limit is added: room to grow into.
 *
 * Envoy's and not Netflix's gradient2, which compares with a long average instead of a measured
 * minimum: under an overload that lasts, the average becomes the overload, and the queue stays.
 * Beyond Envoy: the limit grows only while it is used, so that a quiet hour does not undo it; and a
 * window of enough samples below the minimum is the new minimum at once. And a millisecond is
 * always tolerated: of an app that answers in 0.1 ms, 0.2 ms say nothing.
 *
 * Driven by what is admitted and recorded: it has no timer.
 */
export class AdaptiveLimit {
  /** Requests in flight that are admitted now. */
  limit: number;
  /** Milliseconds; 0 until it was measured. */
  minRttMs = 0;
  readonly #policy: AdaptivePolicy;
  readonly #random: Random;
  readonly #samples = new Float64Array(MAX_SAMPLES);
  #count = 0;
  #windowEndsMs = 0;
  /** The most that were in flight in this window. */
  #peak = 0;
  /** The limit to come back to, while it measures; 0 where it does not. */
  #heldLimit = 0;
  #measuresFromMs = 0;
  #nextMeasureMs = 0;
  #windowsAtMin = 0;

  constructor(policy: AdaptivePolicy, random: Random, nowMs: number) {
    this.#policy = policy;
    this.#random = random;
    this.limit = policy.min;
    this.#measure(nowMs);
  }

  get isMeasuring(): boolean {
    return this.#heldLimit !== 0;
  }

  /** Whether one more may be in flight besides `active`. */
  admits(active: number, nowMs: number): boolean {
    if (!this.isMeasuring && nowMs >= this.#nextMeasureMs) this.#measure(nowMs);
    if (active >= this.#peak) this.#peak = active + 1;
    return active < this.limit;
  }

  /** A try took so long to its answer's head, or to its timeout. */
  record(tookMs: number, nowMs: number): void {
    if (this.isMeasuring) {
      // What was on its way before stood in the queue that is to be measured without.
      if (nowMs - tookMs < this.#measuresFromMs) return;
      this.#add(tookMs);
      if (this.#count >= this.#policy.measureSamples) this.#endMeasure(nowMs);
      return;
    }
    if (nowMs >= this.#windowEndsMs) this.#endWindow(nowMs);
    this.#add(tookMs);
  }

  #add(tookMs: number): void {
    this.#samples[this.#count++ % MAX_SAMPLES] = tookMs;
  }

  // -------------------------------------------------------------- the minimum

  #measure(nowMs: number): void {
    this.#heldLimit = this.limit;
    this.limit = this.#policy.min;
    this.#measuresFromMs = nowMs;
    this.#count = 0;
  }

  #endMeasure(nowMs: number): void {
    this.minRttMs = this.#percentile();
    this.limit = this.#heldLimit;
    this.#heldLimit = 0;
    this.#windowsAtMin = 0;
    const { measureEveryMs, jitterRatio } = this.#policy;
    this.#nextMeasureMs = nowMs + measureEveryMs * (1 + this.#random.next() * jitterRatio);
    this.#beginWindow(nowMs);
  }

  // -------------------------------------------------------------- the limit

  #beginWindow(nowMs: number): void {
    this.#windowEndsMs = nowMs + this.#policy.windowMs;
    this.#count = 0;
    this.#peak = 0;
  }

  #endWindow(nowMs: number): void {
    const { min, max, tolerance, measureSamples } = this.#policy;
    if (this.#count === 0) return this.#beginWindow(nowMs);
    const rttMs = this.#percentile();
    if (rttMs < this.minRttMs && this.#count >= measureSamples) this.minRttMs = rttMs;
    const tolerated = Math.max(LEAST_TOLERANCE_MS, tolerance * this.minRttMs);
    const wanted = (this.minRttMs + tolerated) / rttMs;
    // Two times of 0 are equal.
    const gradient = rttMs === 0 ? 1 : Math.min(MOST_GRADIENT, Math.max(LEAST_GRADIENT, wanted));
    const scaled = gradient * this.limit;
    const next = Math.min(max, Math.max(min, Math.floor(scaled + Math.sqrt(scaled))));
    const isUsed = this.#peak * 2 > this.limit;
    if (next < this.limit || isUsed) this.limit = next;
    this.#windowsAtMin = next === min && min < max ? this.#windowsAtMin + 1 : 0;
    this.#beginWindow(nowMs);
    if (this.#windowsAtMin >= DOUBT_AFTER) this.#measure(nowMs);
  }

  #percentile(): number {
    const sorted = this.#samples.slice(0, Math.min(this.#count, MAX_SAMPLES)).sort();
    const index = Math.ceil(this.#policy.percentile * sorted.length) - 1;
    return sorted[Math.max(0, index)]!;
  }
}
