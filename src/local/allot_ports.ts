import { Failure } from "../base/failure.ts";
import { sha256Hex } from "../base/hash.ts";
import { NetError, type World } from "../base/world.ts";

export const LOCAL_HOST = "127.0.0.1";

/** Below the ports that systems hand out by themselves (Linux 32768, macOS 49152). */
const FIRST_PORT = 20_000;
const PORTS = 10_000;
const MAX_TRIES = 500;

/** A listener that needs a port. */
export interface PortWish {
  /** Stable over reloads, for example `shop/frontend/calls/api`. */
  readonly key: string;
  /** The port that a file names; null takes any. */
  readonly wanted: number | null;
  /** For texts: what listens there. */
  readonly what: string;
  /** Where the file's port is taken by another listener of the same set, may it move? */
  readonly mayMove: boolean;
}

export interface Allotment {
  readonly ports: Readonly<Record<string, number>>;
  /** What moved, in words. */
  readonly notices: readonly string[];
}

/**
 * A port for each wish. Deterministic: a file's port, else the one that this key had before, else
 * one that follows from the key; the next free one where that is taken. `held` are the keys whose
 * port this set already listens on: they are not asked of the system.
 *
 * @throws Failure "port-in-use" naming the holder where a file's port is taken.
 */
export function allotPorts(
  world: World,
  wishes: readonly PortWish[],
  before: Readonly<Record<string, number>>,
  held: ReadonlySet<number>,
): Allotment {
  const ports: Record<string, number> = {};
  const taken = new Map<number, string>();
  const notices: string[] = [];
  const movers: PortWish[] = [];
  for (const wish of wishes) {
    if (wish.wanted === null) continue;
    const other = taken.get(wish.wanted);
    if (other !== undefined) {
      if (!wish.mayMove) {
        throw new Failure(
          "port-in-use",
          `port ${wish.wanted} is wanted twice: for ${other} and for ${wish.what}`,
          "give one of them another port in its file",
        );
      }
      movers.push(wish);
      continue;
    }
    if (!held.has(wish.wanted)) requireFree(world, wish.wanted, wish.what);
    ports[wish.key] = wish.wanted;
    taken.set(wish.wanted, wish.what);
  }
  for (const wish of [...movers, ...wishes.filter(({ wanted }) => wanted === null)]) {
    const port = anyPort(world, wish, before[wish.key] ?? null, taken, held);
    ports[wish.key] = port;
    taken.set(port, wish.what);
    if (wish.wanted !== null) {
      notices.push(`port ${wish.wanted} is taken in this set: ${wish.what} listens on ${port}`);
    }
  }
  return { ports, notices };
}

function anyPort(
  world: World,
  wish: PortWish,
  before: number | null,
  taken: ReadonlyMap<number, string>,
  held: ReadonlySet<number>,
): number {
  if (before !== null && before !== wish.wanted && !taken.has(before)) {
    if (held.has(before) || isFree(world, before)) return before;
  }
  const offset = Number.parseInt(sha256Hex(wish.key).slice(0, 8), 16);
  for (let step = 0; step < MAX_TRIES; step += 1) {
    const port = FIRST_PORT + ((offset + step) % PORTS);
    if (!taken.has(port) && !held.has(port) && isFree(world, port)) return port;
  }
  throw new Failure(
    "port-in-use",
    `no free port for ${wish.what}: ${MAX_TRIES} from ${FIRST_PORT} on were tried`,
  );
}

function requireFree(world: World, port: number, what: string): void {
  if (isFree(world, port)) return;
  const holder = world.processes.holderOfPort(port);
  const who =
    holder === null ? "another process" : `process ${holder.pid} (${holder.command.slice(0, 80)})`;
  throw new Failure(
    "port-in-use",
    `port ${port}, which ${what} needs, is in use by ${who}`,
    "stop what holds it, or give another port in the file",
  );
}

function isFree(world: World, port: number): boolean {
  try {
    world.net.listen({ address: { host: LOCAL_HOST, port } }, () => null).stop();
    return true;
  } catch (error) {
    if (error instanceof NetError && error.code === "address-in-use") return false;
    throw error;
  }
}
