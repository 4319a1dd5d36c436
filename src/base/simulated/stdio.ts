import { fileError } from "../file_error.ts";
import type { Stdio, TextInput, TextOutput } from "../world.ts";

export class SimulatedStdio implements Stdio {
  readonly stdout = new SimulatedOutput("standard output");
  readonly stderr = new SimulatedOutput("standard error");
  readonly stdin = new SimulatedInput();

  /** What was written to stdout so far. */
  text(): string {
    return this.stdout.text();
  }
}

export class SimulatedOutput implements TextOutput {
  isTerminal = false;
  columns = 0;
  rows = 0;
  /** The reader is gone: writes throw `closed`. */
  isClosed = false;
  /** The reader takes nothing more: `writeAll` waits until it is false again. */
  #isBlocked = false;
  #name: string;
  #chunks: Uint8Array[] = [];
  #waiting: (() => void)[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  write(data: string | Uint8Array): void {
    if (this.isClosed) throw fileError({ code: "EPIPE" }, "write to", this.#name);
    this.#chunks.push(typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data));
  }

  async writeAll(data: string | Uint8Array): Promise<void> {
    // Not `slice`: that of a Buffer makes no copy.
    const copy = typeof data === "string" ? data : new Uint8Array(data);
    while (this.#isBlocked) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.write(copy);
  }

  set isBlocked(blocked: boolean) {
    this.#isBlocked = blocked;
    if (!blocked) for (const resume of this.#waiting.splice(0)) resume();
  }

  text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks));
  }

  clear(): void {
    this.#chunks = [];
  }
}

export class SimulatedInput implements TextInput {
  isTerminal = false;
  #chunks: Uint8Array[] = [];
  #hasEnded = false;
  #run: ((bytes: Uint8Array) => void | Promise<void>) | null = null;
  #ended: (() => void) | null = null;
  /** The reader holds the next chunk back. */
  #isHeld = false;

  /** More input arrives. */
  feed(text: string): void {
    this.feedBytes(new TextEncoder().encode(text));
  }

  /** The same in bytes: a chunk may end within a character. */
  feedBytes(bytes: Uint8Array): void {
    this.#chunks.push(bytes.slice());
    this.#pump();
  }

  /** No more input. */
  end(): void {
    this.#hasEnded = true;
    this.#pump();
  }

  readAll(): Promise<string> {
    return new Promise((resolve) => {
      const chunks: Uint8Array[] = [];
      const decode = (): string => new TextDecoder().decode(Buffer.concat(chunks));
      this.read(
        (bytes) => void chunks.push(bytes),
        () => resolve(decode()),
      );
    });
  }

  read(run: (bytes: Uint8Array) => void | Promise<void>, end: () => void): void {
    this.#run = run;
    this.#ended = end;
    this.#pump();
  }

  #pump(): void {
    if (this.#run === null) return;
    while (!this.#isHeld) {
      const chunk = this.#chunks.shift();
      if (chunk === undefined) break;
      const held = this.#run(chunk);
      if (held === undefined) continue;
      this.#isHeld = true;
      void held.then(() => {
        this.#isHeld = false;
        this.#pump();
      });
    }
    if (this.#isHeld || !this.#hasEnded) return;
    const end = this.#ended;
    this.#ended = null;
    end?.();
  }
}
