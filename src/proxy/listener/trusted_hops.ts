import { Networks, parseAddress } from "../../base/ip_address.ts";

/** So many connections' other ends are remembered; then all are looked at anew. */
const MAX_KNOWN = 1024;

/** Networks of the proxies in front of a listener whose word is believed. */
export class TrustedHops {
  readonly #networks: Networks;
  /** Reading an address costs 1 us, and hops are few: each is read once. */
  readonly #known = new Map<string, boolean>();

  /** @throws Error for a text that is no network. */
  constructor(networks: readonly string[]) {
    this.#networks = new Networks(networks);
  }

  get isEmpty(): boolean {
    return this.#networks.isEmpty;
  }

  has(address: bigint): boolean {
    return this.#networks.has(address);
  }

  /** The other end of a connection, as its socket writes it. */
  hasPeer(address: string): boolean {
    if (this.#networks.isEmpty) return false;
    let known = this.#known.get(address);
    if (known === undefined) {
      const parsed = parseAddress(address);
      known = parsed !== null && this.#networks.has(parsed);
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(address, known);
    }
    return known;
  }
}
