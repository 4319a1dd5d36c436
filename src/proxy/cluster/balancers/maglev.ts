import type { Endpoint } from "../endpoint.ts";
import { type Balancer, type BalancerComponent, buildKey } from "./balancer.ts";
import { hashText, mix } from "./hash.ts";

/** Primes; the larger table is for more than `FEW` endpoints, so that each still has 100 places. */
const SMALL_TABLE = 16_381;
const LARGE_TABLE = 65_537;
const FEW = 160;
const NOBODY = 0xffff;

/**
 * A table of places that endpoints fill in turn, each in an order of its own (Maglev, NSDI 2016): a
 * pick is one look-up, parts are evener than a ring's, and when an endpoint leaves few others'
 * requests move. Slow start does not count here: it would move them.
 */
class Maglev implements Balancer {
  #endpoints: readonly Endpoint[] = [];
  #built = "";
  #table = new Uint16Array(0);

  update(endpoints: readonly Endpoint[]): void {
    // By key: what each gets does not hang on the order in which they were found.
    this.#endpoints = [...endpoints].sort((a, b) => (a.key < b.key ? -1 : 1));
    const built = buildKey(this.#endpoints);
    if (built === this.#built) return;
    this.#built = built;
    this.#table = endpoints.length === 0 ? new Uint16Array(0) : tableOf(this.#endpoints);
  }

  pick(avoid: Endpoint | null, hash: number): Endpoint | null {
    const table = this.#table;
    const start = table.length === 0 ? 0 : hash % table.length;
    for (let step = 0; step < table.length; step++) {
      const endpoint = this.#endpoints[table[(start + step) % table.length]!]!;
      if (endpoint !== avoid || this.#endpoints.length === 1) return endpoint;
    }
    return avoid !== null && this.#endpoints.includes(avoid) ? avoid : null;
  }
}

function tableOf(endpoints: readonly Endpoint[]): Uint16Array<ArrayBuffer> {
  const size = endpoints.length > FEW ? LARGE_TABLE : SMALL_TABLE;
  const table = new Uint16Array(size).fill(NOBODY);
  const heaviest = Math.max(...endpoints.map(({ weight }) => weight));
  const places = endpoints.map(({ key }) => hashText(key) % size);
  const skips = endpoints.map(({ key }) => (mix(hashText(key) + 1) % (size - 1)) + 1);
  const turns = endpoints.map(() => 0);
  for (let filled = 0; ; ) {
    for (let owner = 0; owner < endpoints.length; owner++) {
      turns[owner]! += endpoints[owner]!.weight / heaviest;
      if (turns[owner]! < 1) continue;
      turns[owner]!--;
      while (table[places[owner]!] !== NOBODY) {
        places[owner] = (places[owner]! + skips[owner]!) % size;
      }
      table[places[owner]!] = owner;
      if (++filled === size) return table;
    }
  }
}

export const maglev: BalancerComponent = {
  name: "maglev",
  summary: "the same key to the same endpoint, in even parts; one that leaves moves few others",
  usesHash: true,
  usesLatency: false,
  create: () => new Maglev(),
};
