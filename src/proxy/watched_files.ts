import { dirname } from "node:path";
import type { FileWatcher, Timer } from "../base/world.ts";
import type { ProxyContext } from "./context.ts";

/** Several writes of one renewal are one change. */
const SETTLE_MS = 100;
/** Certificate and key are two files: what does not fit may be whole in a moment. */
const SECOND_LOOK_MS = 1_000;
/** A watch misses some changes, and cannot be had for every folder. */
const POLL_MS = 10_000;

/** Files that are used together, and read again when one of them changes. */
export class WatchedFiles {
  readonly #context: ProxyContext;
  readonly #paths: readonly string[];
  readonly #reload: () => void;
  readonly #refused: (text: string) => void;
  readonly #watchers: FileWatcher[] = [];
  readonly #poll: Timer;
  #pending: Timer | null = null;
  /** By path, what the file looked like when it was read last. */
  #seen: ReadonlyMap<string, string>;
  /** What was complained of already: the poll comes by again and again. */
  #complaint = "";

  /**
   * @param reload reads them; what it throws leaves in force what was
   * @param refused is told once why they cannot be used
   * @param looked comes with each look, changed or not
   */
  constructor(
    context: ProxyContext,
    paths: readonly string[],
    reload: () => void,
    refused: (text: string) => void,
    private readonly looked: () => void = () => {},
  ) {
    this.#context = context;
    this.#paths = paths;
    this.#reload = reload;
    this.#refused = refused;
    this.#seen = this.#look();
    for (const folder of new Set(paths.map((path) => dirname(path)))) {
      try {
        const watcher = context.world.files.watch(folder, () => this.#compare(SETTLE_MS));
        this.#watchers.push(watcher);
      } catch {
        // The poll sees it too.
      }
    }
    this.#poll = context.clock.every(POLL_MS, () => this.#compare(SETTLE_MS));
  }

  close(): void {
    this.#poll.cancel();
    this.#pending?.cancel();
    for (const watcher of this.#watchers) watcher.close();
  }

  /** Whether a file is another one than when it was read last. */
  isNew(path: string): boolean {
    return this.#lookAt(path) !== this.#seen.get(path);
  }

  #look(): ReadonlyMap<string, string> {
    return new Map(this.#paths.map((path) => [path, this.#lookAt(path)]));
  }

  /** Other for another file, or another content of it. */
  #lookAt(path: string): string {
    try {
      const stat = this.#context.world.files.stat(path);
      if (stat === null) return "none";
      return `${stat.device} ${stat.inode} ${stat.modifiedMs} ${stat.sizeBytes}`;
    } catch {
      return "unknown";
    }
  }

  #compare(settleMs: number): void {
    this.looked();
    if (this.#pending !== null) return;
    if (!this.#paths.some((path) => this.isNew(path))) return;
    this.#pending = this.#context.clock.after(settleMs, () => this.#read(settleMs));
  }

  #read(settledMs: number): void {
    this.#pending = null;
    const seen = this.#look();
    try {
      this.#reload();
    } catch (error) {
      if (settledMs < SECOND_LOOK_MS) return this.#compare(SECOND_LOOK_MS);
      const { message } = error as Error;
      if (message !== this.#complaint) this.#refused(message);
      this.#complaint = message;
      return;
    }
    this.#seen = seen;
    this.#complaint = "";
  }
}
