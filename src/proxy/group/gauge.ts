/**
 * A number of things in use that all workers of a group count together, and may not pass a bound
 * together. Lies in shared memory: the sum, then a column a worker, so that what a dead worker held
 * can be given back.
 */
export class GroupGauge {
  readonly #cells: Int32Array;
  readonly #sum: number;
  readonly #own: number;

  /** @param at where its `gaugeCells(workers)` cells begin. */
  constructor(cells: Int32Array, at: number, worker: number) {
    this.#cells = cells;
    this.#sum = at;
    this.#own = at + 1 + worker;
  }

  /** Of the whole group. */
  get total(): number {
    return Atomics.load(this.#cells, this.#sum);
  }

  get own(): number {
    return this.#cells[this.#own]!;
  }

  /** Takes one where fewer than `most` are taken. Exact, whoever else asks at this moment. */
  enter(most: number): boolean {
    const cells = this.#cells;
    for (;;) {
      const sum = Atomics.load(cells, this.#sum);
      if (sum >= most) return false;
      // Another worker was faster: look again. Each round somebody got through.
      if (Atomics.compareExchange(cells, this.#sum, sum, sum + 1) !== sum) continue;
      cells[this.#own]!++;
      return true;
    }
  }

  leave(): void {
    this.add(-1);
  }

  /** Without a bound. The order of the two writes keeps the sum from ever being too small. */
  add(count: number): void {
    if (count < 0) this.#cells[this.#own]! += count;
    Atomics.add(this.#cells, this.#sum, count);
    if (count > 0) this.#cells[this.#own]! += count;
  }
}

/** Zeroed memory for gauges that lie one after the other. */
export function gaugeMemory(gauges: number, workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(gauges * gaugeCells(workers) * Int32Array.BYTES_PER_ELEMENT);
}

/** Cells that a gauge takes. */
export function gaugeCells(workers: number): number {
  return 1 + workers;
}

/** Gives back what a dead worker held in any gauge of this memory. */
export function buryGauges(memory: SharedArrayBuffer, workers: number, dead: number): void {
  const cells = new Int32Array(memory);
  for (let at = 0; at < cells.length; at += gaugeCells(workers)) {
    Atomics.sub(cells, at, Atomics.exchange(cells, at + 1 + dead, 0));
  }
}

/**
 * How much each gauge's sum is above its columns: what a worker held that died between its two
 * writes, and for a moment what a live one is just writing.
 */
export function gaugeDrifts(memory: SharedArrayBuffer, workers: number): number[] {
  const cells = new Int32Array(memory);
  const drifts: number[] = [];
  for (let at = 0; at < cells.length; at += gaugeCells(workers)) {
    let drift = Atomics.load(cells, at);
    for (let worker = 0; worker < workers; worker++) drift -= Atomics.load(cells, at + 1 + worker);
    drifts.push(drift);
  }
  return drifts;
}

/** Takes a drift off that is known to be no live worker's. */
export function takeDrifts(
  memory: SharedArrayBuffer,
  workers: number,
  drifts: readonly number[],
): void {
  const cells = new Int32Array(memory);
  for (const [gauge, drift] of drifts.entries()) {
    if (drift > 0) Atomics.sub(cells, gauge * gaugeCells(workers), drift);
  }
}
