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
 * one that follows from the key; the next free one where that is taken. `held` are ports that this
 * set already listens on: the system is not asked for them; null asks it for none, for files that
 * are only looked at.
 *
 * @throws Failure "port-in-use" naming the holder where a file's port is taken.
 */
export function allotPorts(
  world: World,
  wishes: readonly PortWish[],
  before: Readonly<Record<string, number>>,
  held: ReadonlySet<number> | null,
): Allotment {
  const isFree = (port: number) => held === null || held.has(port) || canListen(world, port);
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
    if (!isFree(wish.wanted)) throw inUse(world, wish.wanted, wish.what);
    ports[wish.key] = wish.wanted;
    taken.set(wish.wanted, wish.what);
  }
  for (const wish of [...movers, ...wishes.filter(({ wanted }) => wanted === null)]) {
    const port = anyPort(wish, before[wish.key] ?? null, (one) => !taken.has(one) && isFree(one));
    ports[wish.key] = port;
    taken.set(port, wish.what);
    if (wish.wanted !== null) {
      notices.push(`port ${wish.wanted} is taken in this set: ${wish.what} listens on ${port}`);
    }
  }
  return { ports, notices };
}

function anyPort(
  wish: PortWish,
  before: number | null,
  isFree: (port: number) => boolean,
): number {
  if (before !== null && before !== wish.wanted && isFree(before)) return before;
  const offset = Number.parseInt(sha256Hex(wish.key).slice(0, 8), 16);
  for (let step = 0; step < MAX_TRIES; step += 1) {
    const port = FIRST_PORT + ((offset + step) % PORTS);
    if (isFree(port)) return port;
  }
  throw new Failure(
    "port-in-use",
    `no free port for ${wish.what}: ${MAX_TRIES} from ${FIRST_PORT} on were tried`,
  );
}

function inUse(world: World, port: number, what: string): Failure {
  const holder = world.processes.holderOfPort(port);
  const who =
    holder === null ? "another process" : `process ${holder.pid} (${holder.command.slice(0, 80)})`;
  return new Failure(
    "port-in-use",
    `port ${port}, which ${what} needs, is in use by ${who}`,
    "stop what holds it, or give another port in the file",
  );
}

function canListen(world: World, port: number): boolean {
  try {
    world.net.listen({ address: { host: LOCAL_HOST, port } }, () => null).stop();
    return true;
  } catch (error) {
    if (error instanceof NetError && error.code === "address-in-use") return false;
    throw error;
  }
}
