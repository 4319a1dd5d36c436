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

/** Cells that a gauge takes. */
export function gaugeCells(workers: number): number {
  return 1 + workers;
}

/** Gives back what a dead worker held. */
export function buryGauge(cells: Int32Array, at: number, worker: number): void {
  const column = at + 1 + worker;
  Atomics.sub(cells, at, Atomics.exchange(cells, column, 0));
}

/**
 * How much the sum is above its columns: what a worker held that died between its two writes, and
 * for a moment what a live one is just writing.
 */
export function gaugeDrift(cells: Int32Array, at: number, workers: number): number {
  let columns = 0;
  const sum = Atomics.load(cells, at);
  for (let worker = 0; worker < workers; worker++) columns += Atomics.load(cells, at + 1 + worker);
  return sum - columns;
}
