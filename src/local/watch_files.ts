import { dirname, resolve } from "node:path";

import type { Source } from "../api/document.ts";
import { sha256Hex } from "../base/hash.ts";
import type { FileWatcher, Timer, World } from "../base/world.ts";
import { readSources } from "./load_set.ts";

/** Several writes of one save are one change. */
const SETTLE_MS = 100;
/** A watch misses some changes, and cannot be had for every folder. */
const POLL_MS = 2_000;
const MAX_WATCHED_FOLDERS = 256;

/** Tells when what the files hold is other than before; their times do not matter. */
export class FileWatch {
  #hash: string;
  #watchers = new Map<string, FileWatcher>();
  #settle: Timer | null = null;
  #poll: Timer;
  #looking = false;
  #again = false;
  #closed = false;

  /** `files` as the user gave them, without standard input, which cannot change. */
  constructor(
    private readonly world: World,
    private readonly files: readonly string[],
    sources: readonly Source[],
    private readonly changed: () => Promise<void>,
  ) {
    this.#hash = hashOf(sources);
    this.#watch(sources);
    this.#poll = world.clock.every(POLL_MS, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#poll.cancel();
    this.#settle?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #soon(): void {
    // Not put off by each event: a log file that grows in the same folder would do so forever.
    this.#settle ??= this.world.clock.after(SETTLE_MS, () => {
      this.#settle = null;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    try {
      do {
        this.#again = false;
        await this.#lookOnce();
      } while (this.#again && !this.#closed);
    } finally {
      this.#looking = false;
    }
  }

  async #lookOnce(): Promise<void> {
    let sources: readonly Source[];
    try {
      sources = await readSources(this.world, this.files);
    } catch {
      // A file that is gone for a moment, as editors do when they save; if it stays so, `changed`
      // says it.
      await this.#tell("unreadable");
      return;
    }
    if (this.#closed) return;
    this.#watch(sources);
    await this.#tell(hashOf(sources));
  }

  async #tell(hash: string): Promise<void> {
    if (hash === this.#hash || this.#closed) return;
    this.#hash = hash;
    await this.changed();
  }

  #watch(sources: readonly Source[]): void {
    const { folder } = this.world.processes.self;
    const folders = new Set<string>();
    for (const file of [...this.files, ...sources.map((source) => source.file)]) {
      const path = resolve(folder, file);
      const isFolder = this.world.files.stat(path)?.kind === "folder";
      folders.add(isFolder ? path : dirname(path));
    }
    for (const path of [...folders].slice(0, MAX_WATCHED_FOLDERS)) {
      if (this.#watchers.has(path)) continue;
      try {
        this.#watchers.set(path, this.world.files.watch(path, () => this.#soon()));
      } catch {
        // The poll sees it too.
      }
    }
  }
}

function hashOf(sources: readonly Source[]): string {
  return sha256Hex(JSON.stringify(sources));
}
