import { cpuMicros } from "../processes.ts";
import { download } from "../download.ts";
import { row, type Row } from "../results.ts";
import { wrk } from "../wrk.ts";
import { type BenchedProxy, TLS_CIPHER } from "../proxies/proxy.ts";
import { fullHandshakes } from "../tls.ts";
import { type Area, described, rounds, type Run, type Running, type Work, withStand } from "./area.ts";

interface Case {
  readonly id: string;
  readonly work: Work;
  readonly size: "1KB" | "64KB";
  readonly connections: number;
  readonly close?: boolean;
}

const POLICIES: Work = { profile: "policies" };

const CASES: readonly Case[] = [
  { id: "bare/1KB/c64", work: { profile: "bare" }, size: "1KB", connections: 64 },
  { id: "policies/1KB/c64", work: POLICIES, size: "1KB", connections: 64 },
  { id: "policies/1KB/c1000", work: POLICIES, size: "1KB", connections: 1000 },
  { id: "policies/64KB/c64", work: POLICIES, size: "64KB", connections: 64 },
  { id: "tls/1KB/c64", work: { ...POLICIES, tls: true }, size: "1KB", connections: 64 },
  { id: "policies/1KB/new", work: POLICIES, size: "1KB", connections: 64, close: true },
  {
    id: "accesslog/1KB/c64",
    work: { profile: "policies", accessLog: true },
    size: "1KB",
    connections: 64,
  },
];

/** CPU a proxied request, or bytes of a large body a CPU second, over HTTP/1.1. */
export const http1: Area = async (proxies, run) => {
  const rows: Row[] = [];
  for (const one of CASES) rows.push(await cpuRow(proxies, one, run));
  rows.push(await handshakeRow(proxies, run));
  rows.push(...(await routesRows(proxies, run)));
  rows.push(await bulkRow(proxies, run));
  rows.push(...(await telemetryRow(proxies, run)));
  return rows;
};

async function cpuRow(
  proxies: readonly BenchedProxy[],
  { id, work, size, connections, close = false }: Case,
  { quick, say }: Run,
): Promise<Row> {
  say(`http1/${id}`);
  const found = await withStand(proxies, work, async ({ running }) => {
    const { tls } = work;
    const load = (one: Running, seconds: number) =>
      load1(one, size, { connections, seconds, close, tls });
    // Compilers warm up, pools fill.
    for (const one of running) await load(one, quick ? 1 : 3);
    return rounds(running, quick ? 3 : 5, async (one) => ({
      cpu: await cpuOf(one, () => load(one, quick ? 1 : 5)),
    }));
  });
  const over = close ? `${connections} at a time, a connection each` : `over ${connections} keep-alive connections`;
  const logs = work.accessLog === true ? " With a JSON line a request into a file." : "";
  const secured = work.tls === true ? ` Over TLS 1.3 with ${TLS_CIPHER}.` : "";
  const text =
    `GET of ${size}, ${over}, as fast as they go (wrk).${logs}${secured} ` +
    `${described(proxies, work.profile)}.`;
  const about = { id: `http1/${id}`, work: text, unit: "cpu us/request", better: "lower" } as const;
  return row(about, found.get("cpu")!);
}

/** Tables of 3 and of 1,000 routes, measured in turn, so that they can be compared. */
async function routesRows(proxies: readonly BenchedProxy[], { quick, say }: Run): Promise<Row[]> {
  say("http1/routes");
  const counts = [3, 1000] as const;
  const figures = counts.map(() => new Map<string, number[]>());
  await withStand(proxies, { profile: "policies", routes: counts[0] }, async (few) =>
    withStand(proxies, { profile: "policies", routes: counts[1] }, async (many) => {
      const stands = [few.running, many.running];
      const seconds = quick ? 1 : 4;
      const load = (one: Running) => load1(one, "1KB", { connections: 64, seconds });
      for (const one of stands.flat()) await load(one);
      for (let round = 0; round < (quick ? 3 : 7); round++) {
        for (let n = 0; n < proxies.length; n++) {
          // Both in turn, and each first in every other round.
          for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
            const one = stands[which]![n]!;
            const all = figures[which]!.get(one.name) ?? [];
            figures[which]!.set(one.name, [...all, await cpuOf(one, () => load(one))]);
          }
        }
      }
    }),
  );
  return counts.map((count, which) => {
    const work =
      `GET of 1KB over 64 keep-alive connections; ${count} prefix routes, of which the last and ` +
      "shortest matches. outrigger: a table by path. haproxy: a map file (map_beg). nginx: " +
      "locations. envoy: a list of routes. All else as in policies.";
    const about = { id: `http1/routes/${count}`, work, unit: "cpu us/request", better: "lower" } as const;
    return row(about, figures[which]!);
  });
}

/** Ours beside itself: what looking on costs. */
export async function telemetryRow(
  proxies: readonly BenchedProxy[],
  { quick, say }: Run,
): Promise<Row[]> {
  const ours = proxies.filter(({ name }) => name === "outrigger");
  if (ours.length === 0) return [];
  say("http1/telemetry");
  const collector = spanCollector();
  const figures = { outrigger: [] as number[], "outrigger without": [] as number[] };
  const on = { profile: "policies", telemetry: { collector: collector.url } } as const;
  try {
    await withStand(ours, on, async ({ running: [traced] }) =>
      withStand(ours, { profile: "policies", telemetry: "off" }, async ({ running: [plain] }) => {
        const pair = [
          { one: traced!, into: figures.outrigger },
          { one: plain!, into: figures["outrigger without"] },
        ];
        const load = (one: Running, seconds = quick ? 1 : 4) =>
          load1(one, "1KB", { connections: 64, seconds });
        // What one request in a hundred does is compiled a hundred times later.
        for (const { one } of pair) await load(one, quick ? 2 : 20);
        for (let round = 0; round < (quick ? 3 : 9); round++) {
          // Each first in every other round.
          for (const { one, into } of round % 2 === 0 ? pair : pair.toReversed()) {
            into.push(await cpuOf(one, () => load(one)));
          }
        }
      }),
    );
  } finally {
    collector.stop();
  }
  if (collector.spans() === 0) throw new Error("no span arrived at the collector");
  const work =
    "GET of 1KB over 64 keep-alive connections; routing, retries, a breaker as in policies. " +
    "outrigger: with metrics, a request id, and 1% of the traces as spans to a collector by " +
    "Zipkin's JSON, the others with a trace context that says that they are not kept. Without: no " +
    "request id and no tracing; metrics cannot be switched off.";
  const about = { id: "http1/telemetry/1KB/c64", work, unit: "cpu us/request", better: "lower" } as const;
  return [row(about, new Map(Object.entries(figures)))];
}

/** Takes spans and counts them. */
function spanCollector() {
  let spans = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      spans += ((await request.json()) as unknown[]).length;
      return new Response(null, { status: 202 });
    },
  });
  const url = `http://127.0.0.1:${server.port}/api/v2/spans`;
  return { url, spans: () => spans, stop: () => void server.stop(true) };
}

async function handshakeRow(proxies: readonly BenchedProxy[], { quick, say }: Run): Promise<Row> {
  say("http1/tls-handshake");
  const found = await withStand(proxies, { profile: "bare", tls: true }, async ({ running }) => {
    const load = ({ name, port }: Running, seconds: number) => fullHandshakes(name, port, seconds);
    for (const one of running) await load(one, quick ? 1 : 3);
    return rounds(running, quick ? 3 : 5, async (one) => ({
      cpu: await cpuOf(one, () => load(one, quick ? 2 : 5)),
    }));
  });
  const work =
    `Full handshakes of TLS 1.3, each on a new connection, one after the other (openssl s_time ` +
    `-new): P-256 certificate, ${TLS_CIPHER}, no client certificate, no request. ` +
    described(proxies, "bare");
  const about = { id: "http1/tls-handshake", work, unit: "cpu us/handshake", better: "lower" } as const;
  return row(about, found.get("cpu")!);
}

const GIB = 2 ** 30;

async function bulkRow(proxies: readonly BenchedProxy[], { quick, say }: Run): Promise<Row> {
  say("http1/bare/1GB");
  const found = await withStand(proxies, { profile: "bare" }, ({ running }) =>
    rounds(running, quick ? 2 : 5, async (one) => {
      const before = cpuMicros(one.program.pid);
      await download(one.port, "/1GB", GIB);
      return { rate: GIB / (cpuMicros(one.program.pid) - before) };
    }),
  );
  const work = `GET of 1 GiB over one connection. ${described(proxies, "bare")}.`;
  const about = { id: "http1/bare/1GB", work, unit: "MB/cpu s", better: "higher" } as const;
  return row(about, found.get("rate")!);
}

async function load1(
  { name, port }: Running,
  size: string,
  options: {
    readonly connections: number;
    readonly seconds: number;
    readonly close?: boolean;
    readonly tls?: boolean | undefined;
  },
): Promise<number> {
  const scheme = options.tls === true ? "https" : "http";
  return (await wrk(name, `${scheme}://127.0.0.1:${port}/${size}`, options)).requests;
}

/** CPU a request in microseconds while `load` sends as many as it returns. */
async function cpuOf({ program }: Running, load: () => Promise<number>): Promise<number> {
  const before = cpuMicros(program.pid);
  const requests = await load();
  return (cpuMicros(program.pid) - before) / requests;
}
