import { basename, dirname } from "node:path";
import type { FileStat, FileWatcher, Timer, World } from "./world.ts";
import { FileError } from "./world.ts";

/** A hint of the system may be missed; a mounted ConfigMap gives none. */
const POLL_MS = 5000;

/**
 * One file that is read again when it changes. It may be missing for a while, and may be a link whose
 * target changes: what counts is what stands behind the name.
 */
export class WatchedFile {
  #world: World;
  #last: string | null;
  #watcher: FileWatcher | null = null;
  #poll: Timer;
  #closed = false;

  constructor(
    world: World,
    readonly path: string,
    readonly changed: () => void,
  ) {
    this.#world = world;
    this.#last = this.#state();
    this.#poll = world.clock.every(POLL_MS, () => this.#look());
    this.#watch();
  }

  close(): void {
    this.#closed = true;
    this.#poll.cancel();
    this.#watcher?.close();
  }

  #look(): void {
    if (this.#closed) return;
    // The folder may have come, or come anew.
    this.#watcher?.close();
    this.#watcher = null;
    this.#watch();
    this.#compare();
  }

  #watch(): void {
    try {
      this.#watcher = this.#world.files.watch(dirname(this.path), () => this.#compare());
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  }

  #compare(): void {
    if (this.#closed) return;
    const state = this.#state();
    if (state === this.#last) return;
    this.#last = state;
    if (state !== null) this.changed();
  }

  #state(): string | null {
    let stat: FileStat | null;
    try {
      stat = this.#world.files.stat(this.path);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      return null;
    }
    if (stat === null || stat.kind !== "file") return null;
    const { device, inode, sizeBytes, modifiedMs } = stat;
    return `${basename(this.path)} ${device} ${inode} ${sizeBytes} ${modifiedMs}`;
  }
}
