import { paced } from "../paced.ts";
import { quantile, row } from "../results.ts";
import { wrk } from "../wrk.ts";
import { type Area, type Running, rounds, withStand } from "./area.ts";

const RATE = 1000;
const CONNECTIONS = 16;
const QUANTILES = { p50: 0.5, p99: 0.99, "p99.9": 0.999 } as const;

/** How long requests take at a rate that leaves every proxy idle most of the time. */
export const latency: Area = async (proxies, { quick, say }) => {
  say(`latency/1krps`);
  const found = await withStand(proxies, { profile: "policies" }, async ({ running, upstreamPort }) => {
    for (const { name, port } of running) {
      const warmUp = { connections: CONNECTIONS, seconds: quick ? 1 : 3 };
      await wrk(name, `http://127.0.0.1:${port}/1KB`, warmUp);
    }
    // The floor: client and upstream without a proxy between them.
    const direct: Running = { name: "direct", program: running[0]!.program, port: upstreamPort };
    return rounds([...running, direct], quick ? 3 : 5, async ({ name, port }) => {
      const latenciesMs = await paced(name, port, {
        rate: RATE,
        seconds: quick ? 2 : 10,
        connections: CONNECTIONS,
      });
      const figure = (q: number): number => quantile(latenciesMs, q);
      return Object.fromEntries(Object.entries(QUANTILES).map(([name, q]) => [name, figure(q)]));
    });
  });
  return Object.keys(QUANTILES).map((name) =>
    row(
      {
        id: `latency/1krps/${name}`,
        work:
          `GET of 1 KB, ${RATE} a second over ${CONNECTIONS} connections, open loop, ` +
          "policies as in http1.",
        unit: "ms",
        better: "lower",
      },
      found.get(name)!,
    ),
  );
};
