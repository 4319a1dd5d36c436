import { createConnection } from "node:net";
import {
  appendFileSync,
  createReadStream,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Program, cpuMicros, freePort, memoryBytes, temporaryFolder } from "../processes.ts";
import { writeInput } from "../pipelines/inputs.ts";
import type {
  BenchedPipeline,
  PipelineWork,
  StartedPipeline,
} from "../pipelines/pipeline_program.ts";
import { row, type Row } from "../results.ts";
import type { Run } from "./area.ts";

interface Case {
  readonly work: PipelineWork;
  /** Of the measured input, in MB; two fifths of it go before, to warm up. */
  readonly megabytes: number;
  readonly text: string;
}

const CASES: readonly Case[] = [
  { work: "passthrough", megabytes: 400, text: "A file of 512-byte lines, to nowhere." },
  { work: "passthrough-disk", megabytes: 200, text: "The same through a buffer on disk." },
  { work: "json", megabytes: 150, text: "A file of 445-byte JSON lines: parsed, two edits, JSON." },
  { work: "regex", megabytes: 100, text: "Combined access log by regular expression to JSON." },
  { work: "syslog-bulk", megabytes: 100, text: "RFC 5424 over TCP, bodies of the bulk API out." },
  { work: "typescript", megabytes: 150, text: "As json, with a user's function in the middle." },
  { work: "json-disk", megabytes: 150, text: "As json, through a buffer on disk, acknowledged." },
];

/** MB a CPU second of one process, from a file (or a connection) to the last event's end. */
export async function pipeline(peers: readonly BenchedPipeline[], run: Run): Promise<Row[]> {
  const rows: Row[] = [];
  for (const one of CASES) rows.push(await throughputRow(peers, one, run));
  rows.push(...(await rateRows(peers, run)));
  return rows;
}

async function throughputRow(
  peers: readonly BenchedPipeline[],
  { work, megabytes, text }: Case,
  { quick, say }: Run,
): Promise<Row> {
  const folder = temporaryFolder();
  const figures = new Map<string, number[]>();
  const able = peers.filter((peer) => peer.does(work).able);
  try {
    const megas = quick ? megabytes / 4 : megabytes;
    const warm = join(folder.path, "warm");
    const main = join(folder.path, "main");
    const input = {
      warm,
      main,
      warmLines: writeInput(warm, work, megas * 4e5),
      mainLines: writeInput(main, work, megas * 1e6),
    };
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      for (let n = 0; n < able.length; n++) {
        const peer = able[(round + n) % able.length]!;
        say(`pipeline/${work}: ${peer.name}, round ${round + 1}`);
        const micros = await measure(peer, work, input);
        const rate = statSync(main).size / micros;
        figures.set(peer.name, [...(figures.get(peer.name) ?? []), rate]);
      }
    }
  } finally {
    folder.remove();
  }
  const order = new Map(able.map(({ name }) => [name, figures.get(name)!]));
  const all = `${text} ${peers.map((peer) => `${peer.name}: ${peer.does(work).text}`).join(". ")}.`;
  const about = { id: `pipeline/${work}`, work: all, unit: "MB/cpu s", better: "higher" } as const;
  return row(about, order);
}

interface Input {
  readonly warm: string;
  readonly main: string;
  readonly warmLines: number;
  readonly mainLines: number;
}

/** CPU microseconds for the main part, after the warm one. @throws where an event is missing. */
function measure(peer: BenchedPipeline, work: PipelineWork, input: Input): Promise<number> {
  return withPipeline(peer, work, async (stand) => {
    const { started } = stand;
    const send = (path: string): Promise<void> =>
      work === "syslog-bulk" ? sendTo(stand.syslogPort, path) : append(path, stand.input);
    await send(input.warm);
    await finished(stand, input.warmLines);
    const before = cpuMicros(started.program.pid);
    await send(input.main);
    await finished(stand, input.warmLines + input.mainLines);
    return cpuMicros(started.program.pid) - before;
  });
}

interface PipelineStand {
  readonly started: StartedPipeline;
  readonly work: PipelineWork;
  readonly input: string;
  readonly output: string;
  readonly syslogPort: number;
  readonly bulkPort: number;
}

async function withPipeline<T>(
  peer: BenchedPipeline,
  work: PipelineWork,
  use: (stand: PipelineStand) => Promise<T>,
): Promise<T> {
  const folder = temporaryFolder();
  const programs: Program[] = [];
  try {
    const input = join(folder.path, "in.log");
    const output = join(folder.path, "out.log");
    writeFileSync(input, "");
    writeFileSync(output, "");
    const bulkPort = await freePort();
    const syslogPort = await freePort();
    if (work === "syslog-bulk") {
      const server = join(import.meta.dir, "../pipelines/bulk_server.ts");
      const command = [process.execPath, server, String(bulkPort)];
      const bulk = new Program("bulk server", command, { cwd: folder.path });
      programs.push(bulk);
      await bulk.ready(`http://127.0.0.1:${bulkPort}/count`);
    }
    const own = join(folder.path, "own");
    mkdirSync(own);
    const started = peer.start({ work, input, output, syslogPort, bulkPort, folder: own });
    programs.push(started.program);
    const stand = { started, work, input, output, syslogPort, bulkPort };
    await ready(stand);
    return await use(stand);
  } finally {
    for (const program of programs.reverse()) await program.stop();
    folder.remove();
  }
}

/** Its port is open. Files are read whenever it comes to them, and all of them from the beginning. */
async function ready({ started, work, syslogPort }: PipelineStand): Promise<void> {
  if (work !== "syslog-bulk") return;
  const { program } = started;
  for (let n = 0; n < 200; n++) {
    if (await answers(syslogPort)) return;
    await Bun.sleep(50);
  }
  throw new Error(`${program.name} does not listen\n${program.output}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("connect", () => socket.end(() => resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** How far a file was read; null where it is not open. */
function readPosition(pid: number, path: string): number | null {
  let names: readonly string[] = [];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    // It has ended; its output is in the error that follows.
  }
  for (const name of names) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${name}`) !== path) continue;
      const info = readFileSync(`/proc/${pid}/fdinfo/${name}`, "utf8");
      return Number(/^pos:\s+(\d+)/.exec(info)![1]);
    } catch {
      // Closed in the meantime.
    }
  }
  return null;
}

const LIMIT_MS = 180_000;
/** So long it has to be idle before it counts as done. */
const IDLE_MS = 500;

/** All of so many events have come out, and it is idle. @throws where they do not. */
async function finished(stand: PipelineStand, events: number): Promise<void> {
  const { program } = stand.started;
  const deadline = Date.now() + LIMIT_MS;
  let seen = "";
  while (Date.now() < deadline) {
    const before = cpuMicros(program.pid);
    await Bun.sleep(IDLE_MS);
    // Two grains are the clocks and timers of an idle program.
    if (cpuMicros(program.pid) - before > 20_000) continue;
    const [out, wanted] = await progress(stand, events);
    if (out === wanted) return;
    seen = `${out} of ${wanted}`;
  }
  throw new Error(`${program.name} ended with ${seen}\n${program.output}`);
}

async function progress(stand: PipelineStand, events: number): Promise<[number, number]> {
  const { started, work, input, output, bulkPort } = stand;
  if (work.startsWith("passthrough")) {
    const done = await started.done();
    if (done !== null) return [done, events];
    return [readPosition(started.program.pid, input) ?? 0, statSync(input).size];
  }
  if (work === "syslog-bulk" && statSync(output).size === 0) {
    const answer = await fetch(`http://127.0.0.1:${bulkPort}/count`);
    return [Number(await answer.text()), events];
  }
  const text = await lineCount(output);
  return [text / (work === "syslog-bulk" && started.program.name === "syslog-ng" ? 2 : 1), events];
}

async function lineCount(path: string): Promise<number> {
  let lines = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 4 << 20 })) {
    const bytes = chunk as Buffer;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1;
  }
  return lines;
}

async function append(from: string, to: string): Promise<void> {
  for await (const chunk of createReadStream(from, { highWaterMark: 4 << 20 })) {
    appendFileSync(to, chunk as Buffer);
  }
}

function sendTo(port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("error", reject);
    socket.once("close", () => resolve());
    socket.resume();
    createReadStream(path, { highWaterMark: 1 << 20 }).pipe(socket);
  });
}

// ---------------------------------------------------------------- at a steady rate

const RATE = 10e6;
const TICK_MS = 50;

/** 10 MB/s of 512-byte lines: the part of a core, and the memory that is resident. */
async function rateRows(peers: readonly BenchedPipeline[], { quick, say }: Run): Promise<Row[]> {
  const cpu = new Map<string, number[]>();
  const memory = new Map<string, number[]>();
  const seconds = quick ? 3 : 20;
  const folder = temporaryFolder();
  try {
    const lines = join(folder.path, "lines");
    writeInput(lines, "passthrough", RATE);
    const bytes = readFileSync(lines);
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const peer of peers) {
        say(`pipeline/rate: ${peer.name}, round ${round + 1}`);
        await withPipeline(peer, "passthrough", async ({ started, input }) => {
          const { pid } = started.program;
          await paced(input, bytes, 2);
          const before = cpuMicros(pid);
          await paced(input, bytes, seconds);
          const percent = (cpuMicros(pid) - before) / (seconds * 10_000);
          cpu.set(peer.name, [...(cpu.get(peer.name) ?? []), percent]);
          const { rss } = memoryBytes(pid);
          memory.set(peer.name, [...(memory.get(peer.name) ?? []), rss / 1e6]);
        });
      }
    }
  } finally {
    folder.remove();
  }
  const work = `512-byte lines at 10 MB/s for ${seconds} s, as in passthrough.`;
  return [
    row({ id: "pipeline/rate/cpu", work, unit: "% of a core", better: "lower" }, cpu),
    row({ id: "pipeline/rate/rss", work, unit: "MB", better: "lower" }, memory),
  ];
}

async function paced(path: string, bytes: Uint8Array, seconds: number): Promise<void> {
  const started = performance.now();
  const each = Math.floor((RATE * TICK_MS) / 1000 / 512) * 512;
  let at = 0;
  for (let n = 0; n < (seconds * 1000) / TICK_MS; n++) {
    if (at + each > bytes.length) at = 0;
    appendFileSync(path, bytes.subarray(at, at + each));
    at += each;
    await Bun.sleep(Math.max(0, (n + 1) * TICK_MS - (performance.now() - started)));
  }
}
