import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { NetError } from "../world.ts";
import type { ResolvedAddress } from "../world.ts";

const QUERY_TIMEOUT_MS = 5_000;
/** c-ares is to give up first, as its error says more. */
const GRACE_MS = 100;
/** A resolver reads the system's settings once; a laptop on another network has other servers. */
const RESOLVER_LIFE_MS = 30_000;
/** Names answered here never change; this only says how soon to ask again. */
const LOCAL_TTL_MS = 60_000;

interface Answer {
  readonly addresses: readonly ResolvedAddress[];
  /** The error's code, where there is no address. */
  readonly failure: string | null;
}

/** A and AAAA records, asked of DNS servers; the hosts file is never read. */
export class Dns {
  #servers: readonly string[];
  #timeoutMs: number;
  #resolver: Resolver | null = null;
  #madeAt = 0;

  /** Servers as `127.0.0.1:53`; none means the system's. */
  constructor(servers: readonly string[], timeoutMs = QUERY_TIMEOUT_MS) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
  }

  async resolve(name: string): Promise<readonly ResolvedAddress[]> {
    const plain = name.endsWith(".") ? name.slice(0, -1).toLowerCase() : name.toLowerCase();
    if (isIP(plain) !== 0) return [{ address: plain, ttlMs: LOCAL_TTL_MS }];
    // RFC 6761, 6.3: localhost and the names below it are the loopback address, and never asked.
    if (plain === "localhost" || plain.endsWith(".localhost")) {
      return [{ address: "127.0.0.1", ttlMs: LOCAL_TTL_MS }];
    }
    const resolver = this.#freshResolver();
    const late = new NetError("name-timeout", this.#lateText(name));
    const [four, six] = await withTimeout(
      Promise.all([ask(resolver, plain, 4), ask(resolver, plain, 6)]),
      this.#timeoutMs + GRACE_MS,
      late,
    );
    const addresses = [...four.addresses, ...six.addresses];
    if (addresses.length > 0) return addresses;
    throw resolveError(name, [four.failure, six.failure], late);
  }

  #freshResolver(): Resolver {
    const now = performance.now();
    if (this.#resolver === null || now - this.#madeAt > RESOLVER_LIFE_MS) {
      this.#resolver = new Resolver({ timeout: this.#timeoutMs, tries: 1 });
      if (this.#servers.length > 0) this.#resolver.setServers([...this.#servers]);
      this.#madeAt = now;
    }
    return this.#resolver;
  }

  #lateText(name: string): string {
    return `DNS did not answer for "${name}" within ${this.#timeoutMs / 1_000} s`;
  }
}

async function ask(resolver: Resolver, name: string, family: 4 | 6): Promise<Answer> {
  try {
    const records =
      family === 4
        ? await resolver.resolve4(name, { ttl: true })
        : await resolver.resolve6(name, { ttl: true });
    const addresses = records.map(({ address, ttl }) => ({ address, ttlMs: ttl * 1_000 }));
    return { addresses, failure: addresses.length > 0 ? null : "ENODATA" };
  } catch (error) {
    return { addresses: [], failure: (error as { code?: string }).code ?? String(error) };
  }
}

/** c-ares keeps a timeout of its own, but a resolver that never answers must not hang a caller. */
function withTimeout<T>(answer: Promise<T>, limitMs: number, error: Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(error), limitMs);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** "No such name" and "no record of this kind" are answers; anything else means we got none. */
const NO_SUCH_NAME = ["ENOTFOUND", "ENODATA", "EBADNAME"];

function resolveError(
  name: string,
  failures: readonly (string | null)[],
  late: NetError,
): NetError {
  const unanswered = failures.find((code) => code !== null && !NO_SUCH_NAME.includes(code));
  if (unanswered === undefined || unanswered === null) {
    return new NetError("name-not-found", `DNS has no address for "${name}"`);
  }
  if (unanswered === "ETIMEOUT" || unanswered === "ECANCELLED") return late;
  return new NetError("name-timeout", `DNS gave no usable answer for "${name}": ${unanswered}`);
}
