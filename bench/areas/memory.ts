import { memoryBytes } from "../processes.ts";
import { row, type Row } from "../results.ts";
import { wrk } from "../wrk.ts";
import { type Area, withStand } from "./area.ts";

/** What a proxy keeps: before its first request but one, and after a load that made it grow. */
export const memory: Area = async (proxies, { quick, say }) => {
  const figures = new Map<string, Map<string, number[]>>();
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    say(`memory, round ${round + 1}`);
    // Started anew each round: memory only grows.
    await withStand(proxies, "policies", async ({ running }) => {
      for (const { name, program, port } of running) {
        const note = (state: string): void => {
          for (const [kind, bytes] of Object.entries(memoryBytes(program.pid))) {
            const what = `memory/${state}/${kind}`;
            const byName = figures.get(what) ?? new Map<string, number[]>();
            figures.set(what, byName);
            byName.set(name, [...(byName.get(name) ?? []), bytes / 1e6]);
          }
        };
        note("idle");
        const seconds = quick ? 2 : 10;
        await wrk(name, `http://127.0.0.1:${port}/1KB`, { connections: 64, seconds });
        note("after-load");
        await wrk(name, `http://127.0.0.1:${port}/64KB`, { connections: 64, seconds });
        note("after-bulk");
      }
    });
  }
  const works: Readonly<Record<string, string>> = {
    idle: "After start and one request, policies as in http1.",
    "after-load": "Right after GETs of 1 KB over 64 connections, as fast as they go.",
    "after-bulk": "The same, then GETs of 64 KB.",
  };
  return [...figures].map(([id, byName]): Row => {
    const work = works[id.split("/")[1]!]!;
    return row({ id, work, unit: "MB", better: "lower" }, byName);
  });
};
