import { cpuMicros } from "../processes.ts";
import { row, type Row } from "../results.ts";
import { wrk } from "../wrk.ts";
import { type Area, described, rounds, type Running, withStand } from "./area.ts";

const CONNECTIONS = 64;
const CASES = [
  { profile: "bare", size: "1KB" },
  { profile: "policies", size: "1KB" },
  { profile: "policies", size: "64KB" },
] as const;

/** CPU a proxied request over HTTP/1.1. */
export const http1: Area = async (proxies, { quick, say }) => {
  const rows: Row[] = [];
  for (const { profile, size } of CASES) {
    const id = `http1/${profile}/${size}/c${CONNECTIONS}`;
    say(id);
    const found = await withStand(proxies, profile, async ({ running }) => {
      const load = ({ name, port }: Running, seconds: number) =>
        wrk(name, `http://127.0.0.1:${port}/${size}`, { connections: CONNECTIONS, seconds });
      // Compilers warm up, pools fill.
      for (const one of running) await load(one, quick ? 1 : 3);
      return rounds(running, quick ? 3 : 5, async (one) => {
        const before = cpuMicros(one.program.pid);
        const { requests } = await load(one, quick ? 1 : 5);
        return { cpu: (cpuMicros(one.program.pid) - before) / requests };
      });
    });
    const work =
      `GET of ${size} over ${CONNECTIONS} keep-alive connections, as fast as they go (wrk). ` +
      `${described(proxies, profile)}.`;
    rows.push(row({ id, work, unit: "cpu us/request", better: "lower" }, found.get("cpu")!));
  }
  return rows;
};
