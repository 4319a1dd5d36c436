import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { checkCipher, tlsFiles } from "../tls.ts";
import { freePort, type Program, temporaryFolder } from "../processes.ts";
import { startUpstream } from "../proxies/nginx.ts";
import { type BenchedProxy, HOST, type Profile, type Setup } from "../proxies/proxy.ts";
import type { Row } from "../results.ts";

export interface Run {
  readonly quick: boolean;
  say(line: string): void;
}

/** Measures one area. @throws where any of the proxies does not do its work. */
export type Area = (proxies: readonly BenchedProxy[], run: Run) => Promise<Row[]>;

export interface Running {
  readonly name: string;
  readonly program: Program;
  readonly port: number;
}

export interface Stand {
  readonly upstreamPort: number;
  readonly running: readonly Running[];
}

/** What the proxies of a stand do. */
export interface Work {
  readonly profile: Profile;
  readonly accessLog?: boolean;
  /** One if not given. */
  readonly routes?: number;
  /** Callers come by TLS. */
  readonly tls?: boolean;
  readonly telemetry?: Setup["telemetry"];
}

/** Starts an upstream and all proxies in front of it, hands them over, and ends them all. */
export async function withStand<T>(
  proxies: readonly BenchedProxy[],
  { profile, accessLog = false, routes = 1, tls = false, telemetry }: Work,
  use: (stand: Stand) => Promise<T>,
): Promise<T> {
  const folder = temporaryFolder();
  const programs: Program[] = [];
  try {
    const upstreamPort = await freePort();
    const own = (name: string): string => {
      mkdirSync(join(folder.path, name), { recursive: true });
      return join(folder.path, name);
    };
    const upstream = await startUpstream(own("upstream"), upstreamPort);
    programs.push(upstream);
    await upstream.ready(`http://127.0.0.1:${upstreamPort}/1KB`);
    const running: Running[] = [];
    const files = tls ? tlsFiles(folder.path) : null;
    for (const proxy of proxies) {
      const port = await freePort();
      const adminPort = await freePort();
      const where = { port, adminPort, upstreamPort, folder: own(proxy.name) };
      const setup = { profile, accessLog, routes, tls: files, telemetry, ...where };
      const program = proxy.start(setup);
      programs.push(program);
      const scheme = tls ? "https" : "http";
      await program.ready(`${scheme}://127.0.0.1:${port}/1KB`, { host: HOST });
      if (tls) await checkCipher(proxy.name, port);
      running.push({ name: proxy.name, program, port });
    }
    return await use({ upstreamPort, running });
  } finally {
    for (const program of programs.reverse()) await program.stop();
    folder.remove();
  }
}

/**
 * Calls `measure` for each in turn, `rounds` times, each round beginning with the next one, so that
 * a drift of the machine meets all alike. Returns the figures of each.
 */
export async function rounds(
  running: readonly Running[],
  count: number,
  measure: (one: Running) => Promise<Readonly<Record<string, number>>>,
): Promise<ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>> {
  const figures = new Map<string, Map<string, number[]>>();
  for (let round = 0; round < count; round++) {
    for (let n = 0; n < running.length; n++) {
      const one = running[(round + n) % running.length]!;
      for (const [what, value] of Object.entries(await measure(one))) {
        const byName = figures.get(what) ?? new Map<string, number[]>();
        figures.set(what, byName);
        byName.set(one.name, [...(byName.get(one.name) ?? []), value]);
      }
    }
  }
  // In the order in which the proxies were given, whoever came first in a round.
  const order = running.map(({ name }) => name);
  return new Map(
    [...figures].map(([what, byName]) => [
      what,
      new Map(order.map((name) => [name, byName.get(name)!])),
    ]),
  );
}

/** What each one does in a profile, as one text. */
export function described(proxies: readonly BenchedProxy[], profile: Profile): string {
  return proxies.map((proxy) => `${proxy.name}: ${proxy.does[profile]}`).join(". ");
}
