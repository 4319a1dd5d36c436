import type { ClusterBinding, EndpointBinding, HostPort } from "../../api/snapshot.ts";
import type { Timer } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";

/** Wait after a failed lookup: doubled up to the longest; pods that start have a name soon. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 5000;

/**
 * Where a cluster's endpoints come from: a list, or every address that a name has (strict DNS), asked
 * again when its TTL ends. A lookup that fails leaves the last good addresses in force.
 */
export class Discovery {
  /** No answer has come yet: requests may wait for it. */
  isPending = false;
  readonly #cluster: string;
  readonly #context: ProxyContext;
  readonly #found: (addresses: readonly EndpointBinding[]) => void;
  #binding: ClusterBinding | null = null;
  #addresses: readonly EndpointBinding[] = [];
  #failures = 0;
  #timer: Timer | null = null;
  /** Counts bindings: an answer to an older one is dropped. */
  #generation = 0;

  constructor(
    cluster: string,
    context: ProxyContext,
    found: (addresses: readonly EndpointBinding[]) => void,
  ) {
    this.#cluster = cluster;
    this.#context = context;
    this.#found = found;
  }

  follow(binding: ClusterBinding): void {
    if (JSON.stringify(binding) === JSON.stringify(this.#binding)) return;
    this.stop();
    this.#binding = binding;
    if (binding.discovery === "static") {
      this.isPending = false;
      this.#addresses = binding.endpoints;
      this.#found(binding.endpoints);
      return;
    }
    this.isPending = this.#addresses.length === 0;
    this.#failures = 0;
    void this.#lookUp();
  }

  stop(): void {
    this.#generation++;
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #lookUp(): Promise<void> {
    const generation = this.#generation;
    const { endpoints, refresh } = this.#binding!;
    let ttlMs = refresh.maxMs;
    let error: unknown = null;
    const addresses: HostPort[] = [];
    try {
      for (const { host, port } of endpoints) {
        for (const resolved of await this.#context.net.resolve(host)) {
          addresses.push({ host: resolved.address, port });
          ttlMs = Math.min(ttlMs, resolved.ttlMs);
        }
      }
    } catch (caught) {
      error = caught;
    }
    if (generation !== this.#generation) return;
    this.isPending = false;
    if (error === null && addresses.length !== 0) this.#resolved(addresses);
    else this.#failed(error);
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LONGEST_RETRY_MS);
    const waitMs = this.#failures === 0 ? Math.max(ttlMs, refresh.minMs) : retryMs;
    this.#timer = this.#context.clock.after(Math.min(waitMs, refresh.maxMs), () => {
      void this.#lookUp();
    });
    this.#context.scratch.flush();
  }

  #resolved(addresses: HostPort[]): void {
    this.#failures = 0;
    addresses.sort((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : a.port - b.port));
    if (JSON.stringify(addresses) === JSON.stringify(this.#addresses)) return;
    this.#addresses = addresses;
    const list = addresses.map(({ host, port }) => `${host}:${port}`).join(", ");
    this.#context.events.add("endpoints-changed", this.#cluster, `endpoints are now ${list}`);
    this.#found(addresses);
  }

  #failed(error: unknown): void {
    if (this.#failures++ === 0) {
      const reason = error instanceof Error ? error.message : "no address";
      const kept = this.#addresses.length === 0 ? "" : "; the last addresses stay in force";
      this.#context.events.add("name-unresolved", this.#cluster, reason + kept);
    }
    this.#found(this.#addresses);
  }
}
