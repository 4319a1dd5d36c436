import type { Clock } from "../../base/world.ts";

/** So many a second, as the clock's seconds go. */
export class RateBound {
  readonly #clock: Clock;
  readonly #most: number;
  #second = -1;
  #passed = 0;

  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  passes(): boolean {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#passed = 0;
    }
    return ++this.#passed <= this.#most;
  }
}
