/** Starting the programs of a bench, and what /proc says of them (Linux, proc(5)). */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** USER_HZ, the unit of utime and stime; 100 on every Linux that Bun runs on. */
const TICKS_PER_SECOND = 100;

export class Program {
  readonly #child: Bun.Subprocess;
  #output = "";

  constructor(
    readonly name: string,
    command: readonly string[],
    options: {
      readonly cwd: string;
      readonly env?: Readonly<Record<string, string>>;
      /** Where its stdout goes; kept for error messages if not given. */
      readonly stdoutFile?: string;
    },
  ) {
    this.#child = Bun.spawn([...command], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", options.stdoutFile === undefined ? "pipe" : Bun.file(options.stdoutFile), "pipe"],
    });
    if (options.stdoutFile === undefined) {
      void this.#keep(this.#child.stdout as ReadableStream<Uint8Array>);
    }
    void this.#keep(this.#child.stderr as ReadableStream<Uint8Array>);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The last 4 KB of what it wrote, for error messages. */
  get output(): string {
    return this.#output;
  }

  async #keep(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#output = (this.#output + decoder.decode(chunk, { stream: true })).slice(-4096);
    }
  }

  /** Resolves when a GET of the URL is answered with 200. @throws when it never is. */
  async ready(url: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    let seen = "no answer";
    for (let n = 0; n < 200 && this.#child.exitCode === null; n++) {
      try {
        const tls = { rejectUnauthorized: false };
        const answer = await fetch(url, { headers, keepalive: false, tls });
        await answer.arrayBuffer();
        if (answer.status === 200) return;
        seen = `status ${answer.status}`;
      } catch (error) {
        seen = (error as Error).message;
      }
      await Bun.sleep(50);
    }
    const state = this.#child.exitCode === null ? "" : `; it ended with ${this.#child.exitCode}`;
    throw new Error(`${this.name} did not get ready at ${url}: ${seen}${state}\n${this.#output}`);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
    await this.#child.exited;
    clearTimeout(late);
  }
}

/** A process and all below it. */
export function processTree(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statFields(Number(name));
    if (fields !== null) parents.set(Number(name), Number(fields[1]));
  }
  const tree = [pid];
  for (const known of tree) {
    for (const [child, parent] of parents) if (parent === known) tree.push(child);
  }
  return tree;
}

/** The fields behind the command's name: state, ppid, ...; null when the process is gone. */
function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

/** User and system time of a process and all below it, in microseconds; a grain is 10,000. */
export function cpuMicros(pid: number): number {
  let ticks = 0;
  for (const one of processTree(pid)) {
    const fields = statFields(one);
    if (fields !== null) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1_000_000) / TICKS_PER_SECOND;
}

/**
 * Resident memory of a process and all below it: `pss` shares common pages out among their users.
 */
export function memoryBytes(pid: number): { readonly rss: number; readonly pss: number } {
  const sums = { rss: 0, pss: 0 };
  for (const one of processTree(pid)) {
    const text = readFileSync(`/proc/${one}/smaps_rollup`, "utf8");
    sums.rss += Number(/^Rss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
    sums.pss += Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  }
  return sums;
}

/** From here on `peakBytes` begins anew. */
export function resetPeak(pid: number): void {
  for (const one of processTree(pid)) writeFileSync(`/proc/${one}/clear_refs`, "5");
}

/** The most that was resident at a time since `resetPeak`. */
export function peakBytes(pid: number): number {
  let sum = 0;
  for (const one of processTree(pid)) {
    const text = readFileSync(`/proc/${one}/status`, "utf8");
    sum += Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  }
  return sum;
}

/**
 * A port that nobody uses: below those that the system hands out to connections, so that none of
 * them takes it before its program listens.
 */
export async function freePort(): Promise<number> {
  for (let n = 0; n < 100; n++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error("no free port found between 20000 and 29999");
}

export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "outrigger-bench-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
