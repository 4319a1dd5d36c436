import { DEAD_LETTERED, DELIVERED } from "../../api/event.ts";

const MAX_COPIES = 255;

/**
 * The books of events that are in several sinks, of which one at least has a buffer on disk: there
 * is no object for them while they wait there. Four bytes an event.
 */
export class Joins {
  /** By slot: copies that are not settled. Slot 0 is nobody's. */
  #left = new Uint8Array(1024);
  /** By slot: the worst outcome so far, as an index into `#outcomes`. */
  #worst = new Uint16Array(1024);
  #next = 1;
  #free: number[] = [];
  #outcomes: string[] = [DELIVERED, DEAD_LETTERED];
  #indices = new Map<string, number>([
    [DELIVERED, 0],
    [DEAD_LETTERED, 1],
  ]);

  /** A slot for an event with so many copies, and what has become of it at other sinks so far. */
  open(copies: number, outcome: string): number {
    if (copies > MAX_COPIES) throw new Error(`bug: an event for ${copies} sinks`);
    const slot = this.#free.pop() ?? this.#grow();
    this.#left[slot] = copies;
    this.#worst[slot] = this.#index(outcome);
    return slot;
  }

  /** One copy has this outcome. Returns the event's, when it was the last one; else null. */
  settle(slot: number, outcome: string): string | null {
    const worst = this.#outcomes[this.#worst[slot]!]!;
    // In the dead letters of one sink, and lost to another: it can still be replayed.
    if (worst !== DEAD_LETTERED && outcome !== DELIVERED) this.#worst[slot] = this.#index(outcome);
    this.#left[slot] = this.#left[slot]! - 1;
    if (this.#left[slot] !== 0) return null;
    this.#free.push(slot);
    return this.#outcomes[this.#worst[slot]!]!;
  }

  #index(outcome: string): number {
    let index = this.#indices.get(outcome);
    if (index !== undefined) return index;
    index = this.#outcomes.push(outcome) - 1;
    this.#indices.set(outcome, index);
    return index;
  }

  #grow(): number {
    if (this.#next === this.#left.length) {
      const [left, worst] = [this.#left, this.#worst];
      this.#left = new Uint8Array(left.length * 2);
      this.#worst = new Uint16Array(left.length * 2);
      this.#left.set(left);
      this.#worst.set(worst);
    }
    return this.#next++;
  }
}
