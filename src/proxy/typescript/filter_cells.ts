/**
 * Memory that a thread shares with who watches over it: that it lives, and in which user's filter it
 * is. A thread in an endless loop cannot say so itself.
 */

const BEAT = 0;
/** The number of the filter whose hook is at work, from 1; 0 is none. */
const ACTIVE = 1;
/** Behind it a cell a filter: promises of its hooks that are awaited. */
const FIRST_WAITING = 2;

/** Filters that are told apart; further ones share the last cell. */
const MAX_FILTERS = 64;

/** How often a thread with filters counts that it lives, and how often that is looked at. */
export const BEAT_MS = 250;

/** What the watcher has to know; sent again when it changes. */
export interface Watched {
  readonly cells: SharedArrayBuffer;
  /** As people know them, in the order of their numbers. */
  readonly filters: readonly string[];
  /** The thread may stand still for so long. */
  readonly limitMs: number;
}

/** The thread's own end: a plain store a call. */
export class FilterCells {
  readonly memory = new SharedArrayBuffer((FIRST_WAITING + MAX_FILTERS) * 4);
  readonly #cells = new Int32Array(this.memory);

  beat(): void {
    Atomics.add(this.#cells, BEAT, 1);
  }

  /** @param filter its number, from 0 */
  enter(filter: number): void {
    this.#cells[ACTIVE] = filter + 1;
  }

  leave(): void {
    this.#cells[ACTIVE] = 0;
  }

  waits(filter: number, change: 1 | -1): void {
    Atomics.add(this.#cells, FIRST_WAITING + Math.min(filter, MAX_FILTERS - 1), change);
  }
}

/** The watcher's end: how many looks in a row found no beat. */
export class CellsWatcher {
  readonly #cells: Int32Array;
  #lastBeat = -1;
  #silentLooks = 0;

  constructor(private readonly watched: Watched) {
    this.#cells = new Int32Array(watched.cells);
  }

  /**
   * Call it every `BEAT_MS`. Looks are counted, not time: a machine that slept was no loop.
   * Null while all is well, else where the thread is, in words.
   */
  look(): string | null {
    const beat = Atomics.load(this.#cells, BEAT);
    this.#silentLooks = beat === this.#lastBeat ? this.#silentLooks + 1 : 0;
    this.#lastBeat = beat;
    return this.#silentLooks * BEAT_MS < this.watched.limitMs ? null : this.place();
  }

  /** Where the thread is now, as far as is known. */
  place(): string {
    const { filters } = this.watched;
    const active = Atomics.load(this.#cells, ACTIVE);
    if (active > 0) return `in the filter ${filters[active - 1] ?? "of a number that is unknown"}`;
    const waiting = filters.filter((_, index) => {
      return Atomics.load(this.#cells, FIRST_WAITING + Math.min(index, MAX_FILTERS - 1)) > 0;
    });
    if (waiting.length === 0) return "in no filter's hook";
    return `perhaps behind an await of the filter ${waiting.join(", or ")}`;
  }
}
