/** Tries before a waiting worker sleeps: the lock is held for less than a microsecond. */
const SPINS = 200;
const SLEEP_MS = 1;

/**
 * A lock in shared memory: 0 is free, else the number of the worker that holds it, from 1, so that
 * the lock of a dead one can be opened. Held for a few loads and stores, never over a call out.
 */
export function lock(cells: Int32Array, at: number, worker: number): void {
  for (let tries = 1; ; tries++) {
    const holder = Atomics.compareExchange(cells, at, 0, worker + 1);
    if (holder === 0) return;
    if (tries % SPINS === 0) Atomics.wait(cells, at, holder, SLEEP_MS);
  }
}

export function unlock(cells: Int32Array, at: number): void {
  Atomics.store(cells, at, 0);
}

export function breakLock(cells: Int32Array, at: number, worker: number): void {
  Atomics.compareExchange(cells, at, worker + 1, 0);
}
