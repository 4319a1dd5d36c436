import * as fs from "node:fs";
import { isatty } from "node:tty";
import type { Stdio, TextInput, TextOutput } from "../world.ts";
import { fileError } from "../file_error.ts";

/** Between two tries on a pipe that is full: a reader takes a pipe's 64 KiB in far less. */
const RETRY_MS = 1;

export class BunStdio implements Stdio {
  readonly stdout = new BunOutput(1, "standard output", () => process.stdout);
  readonly stderr = new BunOutput(2, "standard error", () => process.stderr);
  readonly stdin = new BunInput();
}

interface Terminal {
  readonly columns?: number;
  readonly rows?: number;
}

class BunOutput implements TextOutput {
  readonly isTerminal: boolean;
  #descriptor: number;
  #name: string;
  // Only asked on a terminal: making Bun's stream would change a pipe to non-blocking.
  #terminal: () => Terminal;
  #last: Promise<void> = Promise.resolve();
  /** A regular file takes all at once, and never makes its writer wait for a reader. */
  #isFile: boolean;

  constructor(descriptor: number, name: string, terminal: () => Terminal) {
    this.#descriptor = descriptor;
    this.#name = name;
    this.#terminal = terminal;
    this.isTerminal = isatty(descriptor);
    this.#isFile = isFile(descriptor);
  }

  get columns(): number {
    return this.isTerminal ? (this.#terminal().columns ?? 0) : 0;
  }

  get rows(): number {
    return this.isTerminal ? (this.#terminal().rows ?? 0) : 0;
  }

  write(data: string | Uint8Array): void {
    const bytes = toBytes(data);
    for (let start = 0; start < bytes.length; ) {
      try {
        start += fs.writeSync(this.#descriptor, bytes, start, bytes.length - start);
      } catch (error) {
        if (!isFull(error)) throw fileError(error, "write to", this.#name);
        Bun.sleepSync(RETRY_MS);
      }
    }
  }

  writeAll(data: string | Uint8Array): Promise<void> {
    if (this.#isFile) return this.#writeNow(data);
    const bytes = toBytes(data);
    const written = this.#last.then(() => this.#writeSlowly(bytes));
    this.#last = written.catch(() => {});
    return written;
  }

  async #writeNow(data: string | Uint8Array): Promise<void> {
    this.write(data);
  }

  async #writeSlowly(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; ) {
      try {
        start += await writeSome(this.#descriptor, bytes, start);
      } catch (error) {
        if (!isFull(error)) throw fileError(error, "write to", this.#name);
        await Bun.sleep(RETRY_MS);
      }
    }
  }
}

class BunInput implements TextInput {
  readonly isTerminal = isatty(0);

  readAll(): Promise<string> {
    return Bun.stdin.text();
  }

  read(run: (bytes: Uint8Array) => void | Promise<void>, end: () => void): void {
    const pump = async (): Promise<void> => {
      for await (const chunk of Bun.stdin.stream()) {
        const held = run(chunk);
        if (held !== undefined) await held;
      }
    };
    // An input that breaks off has ended too; there is nothing else to do about it.
    void pump().then(end, end);
  }
}

/** On a thread of the pool: a blocking pipe then stalls that thread and not the loop. */
function writeSome(descriptor: number, bytes: Uint8Array, start: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(descriptor, bytes, start, bytes.length - start, null, (error, written) => {
      if (error) reject(error);
      else resolve(written);
    });
  });
}

function isFile(descriptor: number): boolean {
  try {
    return fs.fstatSync(descriptor).isFile();
  } catch {
    // It is closed.
    return false;
  }
}

function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? Buffer.from(data) : data;
}

function isFull(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return code === "EAGAIN" || code === "EINTR";
}
