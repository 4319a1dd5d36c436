import type { OpenFile, World } from "../base/world.ts";

const MAX_BYTES = 10 * 1024 * 1024;

/**
 * One process's output on disk, a line an entry with its time in front. At its bound the file is
 * renamed to `.1` (whose older content goes) and begun anew.
 */
export class ProcessLog {
  #file: OpenFile | null = null;
  #sizeBytes = 0;
  #failed = false;

  constructor(
    private readonly world: World,
    private readonly path: string,
    private readonly report: (text: string) => void,
    private readonly maxBytes = MAX_BYTES,
  ) {}

  line(text: string): void {
    const stamp = new Date(this.world.clock.wallMs()).toISOString();
    const bytes = Buffer.from(`${stamp} ${text}\n`);
    try {
      if (this.#sizeBytes + bytes.length > this.maxBytes && this.#sizeBytes > 0) this.#rotate();
      this.#opened().write(bytes);
      this.#sizeBytes += bytes.length;
      this.#failed = false;
    } catch (error) {
      // A full disk must not stop the apps: said once, tried again with the next line.
      if (!this.#failed) this.report((error as Error).message);
      this.#failed = true;
      this.close();
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #opened(): OpenFile {
    if (this.#file === null) {
      this.#file = this.world.files.open(this.path, "append", { mode: 0o600 });
      this.#sizeBytes = this.#file.stat().sizeBytes;
    }
    return this.#file;
  }

  #rotate(): void {
    this.close();
    this.world.files.rename(this.path, `${this.path}.1`);
    this.#sizeBytes = 0;
  }
}
