import type { Endpoint } from "./endpoint.ts";

/** Each endpoint in turn. */
export class RoundRobin {
  #next = 0;

  /** `avoid` is passed over where there is another. */
  pick(endpoints: readonly Endpoint[], avoid: Endpoint | null): Endpoint | null {
    const count = endpoints.length;
    if (count === 0) return null;
    if (this.#next >= count) this.#next = 0;
    let endpoint = endpoints[this.#next]!;
    this.#next = (this.#next + 1) % count;
    if (endpoint === avoid && count > 1) {
      endpoint = endpoints[this.#next]!;
      this.#next = (this.#next + 1) % count;
    }
    return endpoint;
  }
}
