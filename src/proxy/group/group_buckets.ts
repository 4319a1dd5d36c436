import { halfSipHash } from "../../base/half_sip_hash.ts";
import {
  type BucketRate,
  type BucketStore,
  type BucketVerdict,
  ONE,
  refilled,
  verdictOf,
} from "../../policy/token_bucket.ts";
import { breakLock, lock, unlock } from "./lock.ts";
import type { GroupMember } from "./member.ts";

/** Places that one hash can stand in. */
const MOST_WAYS = 8;
/** Keys do not spread evenly: so much more room, so that few go before there are `maxKeys`. */
const ROOM = 1.25;

// Cells of 4 bytes: the hash's key, then the sets: a lock, and two halves of a hash for each place.
// Behind them 8 bytes each: tokens and the time they were counted at, for each place.
const HEADER = 2;

interface Shape {
  readonly sets: number;
  readonly ways: number;
}

function shapeOf(maxKeys: number): Shape {
  const ways = Math.min(MOST_WAYS, maxKeys);
  return { ways, sets: ways < MOST_WAYS ? 1 : Math.ceil((maxKeys * ROOM) / ways) };
}

const cellsPerSet = (ways: number): number => 1 + 2 * ways;

/** Where the tokens begin, in bytes. */
function tokensAt({ sets, ways }: Shape): number {
  return Math.ceil((HEADER + sets * cellsPerSet(ways)) / 2) * 8;
}

/** @param secret 8 bytes that callers do not know, so that nobody can make keys that collide */
export function bucketMemory(maxKeys: number, secret: Uint8Array): SharedArrayBuffer {
  const shape = shapeOf(maxKeys);
  const memory = new SharedArrayBuffer(tokensAt(shape) + shape.sets * shape.ways * 16);
  new Uint8Array(memory).set(secret);
  return memory;
}

/** Opens what a dead worker held locked. */
export function buryBuckets(memory: SharedArrayBuffer, maxKeys: number, dead: number): void {
  const { sets, ways } = shapeOf(maxKeys);
  const cells = new Int32Array(memory);
  for (let set = 0; set < sets; set++) breakLock(cells, HEADER + set * cellsPerSet(ways), dead);
}

/**
 * Token buckets of all workers of a group, in shared memory: together they give exactly what one
 * proxy would. A table of bounded size: a key's hash leads to a set of eight places, and where all
 * are taken the bucket that will be full soonest is forgotten, for its key loses the least by that.
 * So with about as many busy keys as `maxKeys` a few are forgotten early; far below that, none.
 */
export class GroupBuckets implements BucketStore {
  readonly #rate: BucketRate;
  readonly #member: GroupMember;
  readonly #shape: Shape;
  readonly #cells: Int32Array;
  readonly #tokens: Float64Array;
  readonly #hash = new Int32Array(2);

  constructor(memory: SharedArrayBuffer, rate: BucketRate, maxKeys: number, member: GroupMember) {
    this.#rate = rate;
    this.#member = member;
    this.#shape = shapeOf(maxKeys);
    this.#cells = new Int32Array(memory);
    this.#tokens = new Float64Array(memory, tokensAt(this.#shape));
  }

  /** Counts them. */
  get size(): number {
    const { sets, ways } = this.#shape;
    let size = 0;
    for (let set = 0; set < sets; set++) {
      for (let way = 0; way < ways; way++) if (this.#isTaken(set, way)) size++;
    }
    return size;
  }

  take(key: string, ownNowMs: number): BucketVerdict {
    const nowMs = ownNowMs + this.#member.clockOffsetMs;
    const cells = this.#cells;
    const hash = this.#hash;
    halfSipHash(key, cells[0]!, cells[1]!, hash);
    // 0 and 0 is an empty place.
    if (hash[0] === 0 && hash[1] === 0) hash[0] = 1;
    const { sets, ways } = this.#shape;
    const set = (hash[0]! >>> 0) % sets;
    const lockAt = HEADER + set * cellsPerSet(ways);
    lock(cells, lockAt, this.#member.worker);
    const at = 2 * (set * ways + this.#placeOf(set, nowMs));
    const before = this.#tokens[at + 1]!;
    const tokens = refilled(this.#rate, this.#tokens[at]!, nowMs - before);
    const allowed = tokens >= ONE;
    const left = allowed ? Math.max(0, tokens - 1) : tokens;
    this.#tokens[at] = left;
    // The clocks of two workers differ by a little: time does not go back here.
    this.#tokens[at + 1] = Math.max(before, nowMs);
    unlock(cells, lockAt);
    return verdictOf(this.#rate, left, allowed);
  }

  #isTaken(set: number, way: number): boolean {
    const at = this.#hashAt(set, way);
    return this.#cells[at] !== 0 || this.#cells[at + 1] !== 0;
  }

  #hashAt(set: number, way: number): number {
    return HEADER + set * cellsPerSet(this.#shape.ways) + 1 + 2 * way;
  }

  /** Under the set's lock: the key's place, or one that becomes it, with a full bucket. */
  #placeOf(set: number, nowMs: number): number {
    const cells = this.#cells;
    const tokens = this.#tokens;
    const [low, high] = [this.#hash[0]!, this.#hash[1]!];
    const { ways } = this.#shape;
    const { burst, perMs, tokens: perPeriod } = this.#rate;
    let least = 0;
    let leastFullMs = Number.POSITIVE_INFINITY;
    for (let way = 0; way < ways; way++) {
      const at = this.#hashAt(set, way);
      if (cells[at] === low && cells[at + 1] === high) return way;
      const place = 2 * (set * ways + way);
      const fullMs = this.#isTaken(set, way)
        ? tokens[place + 1]! + ((burst - tokens[place]!) * perMs) / perPeriod
        : Number.NEGATIVE_INFINITY;
      if (fullMs >= leastFullMs) continue;
      least = way;
      leastFullMs = fullMs;
    }
    const at = this.#hashAt(set, least);
    cells[at] = low;
    cells[at + 1] = high;
    tokens[2 * (set * ways + least)] = burst;
    tokens[2 * (set * ways + least) + 1] = nowMs;
    return least;
  }
}
