import type { Timer, World } from "../base/world.ts";
import { FileError } from "../base/world.ts";

/** On a terminal with a table, lines wait for the next drawing: at most this long. */
const DRAW_MS = 500;
/** Lines that wait for a slow terminal or the next drawing; what is above is counted and said. */
const MAX_WAITING_LINES = 10_000;

/**
 * Where `up` writes. On a terminal lines scroll above a table that is drawn at most twice a second;
 * elsewhere they are simply written. A reader that has gone away does not stop the apps.
 */
export class Screen {
  #waiting: string[] = [];
  #dropped = 0;
  #writing = false;
  #drawn = 0;
  #timer: Timer | null = null;
  #table: (() => readonly string[]) | null = null;
  #broken = false;

  constructor(private readonly world: World) {}

  line(text: string): void {
    if (this.#broken) return;
    if (this.#waiting.length >= MAX_WAITING_LINES) this.#dropped += 1;
    else this.#waiting.push(text);
    if (this.#table === null) void this.#flush();
  }

  /** Draws the table from now on, where standard output is a terminal. */
  showTable(table: () => readonly string[]): void {
    if (!this.world.stdio.stdout.isTerminal) return;
    this.#table = table;
    this.#timer = this.world.clock.every(DRAW_MS, () => void this.#flush());
  }

  /** Lines are written at once again; the last table stays where it is. */
  hideTable(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#table = null;
    this.#drawn = 0;
    void this.#flush();
  }

  /** Resolves when all has been written. */
  async end(): Promise<void> {
    this.hideTable();
    while (this.#writing) await this.world.clock.sleep(5);
    await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#writing || this.#broken) return;
    this.#writing = true;
    try {
      for (let text = this.#next(); text !== ""; text = this.#next()) {
        await this.world.stdio.stdout.writeAll(text);
        if (this.#table !== null) break;
      }
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#broken = true;
      this.#waiting = [];
    } finally {
      this.#writing = false;
    }
  }

  #next(): string {
    const lines = this.#waiting;
    this.#waiting = [];
    if (this.#dropped > 0) lines.push(`(${this.#dropped} lines were not shown)`);
    this.#dropped = 0;
    const table = this.#table?.() ?? [];
    if (lines.length === 0 && table.length === 0) return "";
    // Up over the old table, clear to the end of the screen (ECMA-48: CUU, ED).
    const clear = this.#drawn > 0 ? `\x1b[${this.#drawn}A\r\x1b[J` : "";
    this.#drawn = table.length;
    return `${clear}${[...lines, ...table].join("\n")}\n`;
  }
}
