/** Hosts come from callers: so many are told apart, further ones count as `*`. */
const MAX_HOSTS = 256;
const MAX_HOST_LENGTH = 255;
const OTHERS = "*";

interface Seen {
  count: number;
  /** Monotonic. */
  lastMs: number;
}

export interface ObservedEntry extends Readonly<Seen> {
  readonly cluster: string;
  readonly host: string;
}

/** Which hosts were asked for at one listener, and the cluster that each led to. */
export class ObservedCalls {
  readonly #byCluster = new Map<string, Map<string, Seen>>();
  #hosts = 0;
  #lastCluster = "";
  #lastHost = "";
  #last: Seen | null = null;

  /** `cluster` is empty where no route led anywhere. */
  add(cluster: string, host: string, nowMs: number): void {
    let seen = this.#last;
    // The same call comes again and again.
    if (seen === null || host !== this.#lastHost || cluster !== this.#lastCluster) {
      seen = this.#find(cluster, host);
      this.#last = seen;
      this.#lastHost = host;
      this.#lastCluster = cluster;
    }
    seen.count++;
    seen.lastMs = nowMs;
  }

  #find(cluster: string, host: string): Seen {
    let hosts = this.#byCluster.get(cluster);
    if (hosts === undefined) {
      hosts = new Map();
      this.#byCluster.set(cluster, hosts);
    }
    const name = host.toLowerCase();
    const known = hosts.get(name);
    if (known !== undefined) return known;
    const isOne = this.#hosts < MAX_HOSTS && name.length <= MAX_HOST_LENGTH;
    const key = isOne ? name : OTHERS;
    let seen = hosts.get(key);
    if (seen !== undefined) return seen;
    seen = { count: 0, lastMs: 0 };
    hosts.set(key, seen);
    if (isOne) this.#hosts++;
    return seen;
  }

  list(): ObservedEntry[] {
    return [...this.#byCluster].flatMap(([cluster, hosts]) =>
      [...hosts].map(([host, { count, lastMs }]) => ({ cluster, host, count, lastMs })),
    );
  }
}
