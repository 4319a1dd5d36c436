import { Download, download } from "../download.ts";
import { IdleCallers } from "../idle_callers.ts";
import { memoryBytes, peakBytes, resetPeak } from "../processes.ts";
import { row, type Row } from "../results.ts";
import { wrk } from "../wrk.ts";
import { type Area, type Run, type Running, withStand } from "./area.ts";

/** What a proxy keeps: before its first request but one, and after loads that made it grow. */
export const memory: Area = async (proxies, run) => {
  const figures = new Figures();
  for (let round = 0; round < (run.quick ? 1 : 3); round++) {
    run.say(`memory, round ${round + 1}`);
    // Started anew each round: memory only grows.
    await withStand(proxies, { profile: "policies" }, async ({ running }) => {
      for (const one of running) await loads(one, figures, run);
    });
    await withStand(proxies, { profile: "policies" }, async ({ running }) => {
      for (const one of running) await manyConnections(one, figures, run);
    });
    await withStand(proxies, { profile: "policies" }, async ({ running }) => {
      for (const one of running) await idleConnections(one, figures);
    });
    await withStand(proxies, { profile: "bare" }, async ({ running }) => {
      for (const one of running) await bulk(one, figures);
    });
  }
  return figures.rows();
};

const WORKS: Readonly<Record<string, string>> = {
  idle: "After start and one request, policies as in http1.",
  "after-load": "Right after GETs of 1 KB over 64 connections, as fast as they go.",
  "after-bulk": "The same, then GETs of 64 KB.",
  c1000:
    "Ten seconds after as many GETs of 1 KB as ten minutes at 1,000 a second have (600,000; a " +
    "tenth of it in a quick run), over 1,000 connections.",
  "c1000-growth": "Of the same: right after the last tenth, above right after the first.",
  "idle-connection":
    "What one of 8,000 callers costs that have had an answer of 1 KB each and say no more.",
  "1GB": "The most while 1 GiB streams through one connection, above what it was before.",
  "slow-readers":
    "While 64 callers have read 64 KB of 1 GiB each and no more, above what it was before.",
};

class Figures {
  readonly #all = new Map<string, Map<string, number[]>>();

  add(what: string, name: string, bytes: number): void {
    const id = `memory/${what}`;
    const byName = this.#all.get(id) ?? new Map<string, number[]>();
    this.#all.set(id, byName);
    byName.set(name, [...(byName.get(name) ?? []), bytes / 1e6]);
  }

  note(state: string, { name, program }: Running): void {
    for (const [kind, bytes] of Object.entries(memoryBytes(program.pid))) {
      this.add(`${state}/${kind}`, name, bytes);
    }
  }

  rows(): Row[] {
    return [...this.#all].map(([id, byName]): Row => {
      const work = WORKS[id.split("/")[1]!]!;
      const unit = id.startsWith("memory/idle-connection/") ? "KB" : "MB";
      return row({ id, work, unit, better: "lower" }, byName);
    });
  }
}

async function loads(one: Running, figures: Figures, { quick }: Run): Promise<void> {
  const { name, port } = one;
  const options = { connections: 64, seconds: quick ? 2 : 10 };
  figures.note("idle", one);
  await wrk(name, `http://127.0.0.1:${port}/1KB`, options);
  figures.note("after-load", one);
  await wrk(name, `http://127.0.0.1:${port}/64KB`, options);
  figures.note("after-bulk", one);
}

async function manyConnections(one: Running, figures: Figures, { quick }: Run): Promise<void> {
  const { name, port, program } = one;
  const tenth = quick ? 6_000 : 60_000;
  let first = 0;
  let last = 0;
  for (let n = 0; n < 10; n++) {
    for (let requests = 0; requests < tenth; ) {
      const options = { connections: 1000, seconds: 1 };
      requests += (await wrk(name, `http://127.0.0.1:${port}/1KB`, options)).requests;
    }
    last = memoryBytes(program.pid).rss;
    if (n === 0) first = last;
  }
  figures.add("c1000-growth/rss", name, last - first);
  await Bun.sleep(10_000);
  figures.note("c1000", one);
}

const IDLE_CONNECTIONS = 8_000;

async function idleConnections(one: Running, figures: Figures): Promise<void> {
  const { name, port, program } = one;
  // What a first load allocates once is none of theirs.
  await wrk(name, `http://127.0.0.1:${port}/1KB`, { connections: 64, seconds: 2 });
  await Bun.sleep(5_000);
  const before = memoryBytes(program.pid).rss;
  const callers = new IdleCallers(port);
  await callers.open(IDLE_CONNECTIONS);
  await Bun.sleep(2_000);
  const each = (memoryBytes(program.pid).rss - before) / IDLE_CONNECTIONS;
  // Figures are of millions of bytes; one connection's are of thousands.
  figures.add("idle-connection/rss", name, each * 1_000);
  callers.close();
}

const GIB = 2 ** 30;
const SLOW_READERS = 64;

async function bulk(one: Running, figures: Figures): Promise<void> {
  const { name, port, program } = one;
  const before = memoryBytes(program.pid).rss;
  resetPeak(program.pid);
  await download(port, "/1GB", GIB);
  figures.add("1GB/growth", name, peakBytes(program.pid) - before);
  resetPeak(program.pid);
  const slow = memoryBytes(program.pid).rss;
  const readers = Array.from(
    { length: SLOW_READERS },
    () => new Download(port, "/1GB", GIB, 64 * 1024),
  );
  for (const reader of readers) await reader.done();
  await Bun.sleep(2000);
  figures.add("slow-readers/growth", name, memoryBytes(program.pid).rss - slow);
  for (const reader of readers) await reader.close();
}
