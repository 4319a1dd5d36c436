import { join } from "node:path";
import type { Timer, World } from "../base/world.ts";
import { FileError } from "../base/world.ts";
import { EventBatch } from "./event_batch.ts";
import { readLetters, replayFolder } from "./letter_file.ts";

/** The name of letters that are sent again, in the books: a source of its own. */
export const REPLAY_SOURCE = "dead-letters";

const LOOK_MS = 1000;

/**
 * Picks up dead letters that were taken out to be sent again. What failed at a sink goes to that
 * sink, what failed at a step goes through all steps. A file is removed when all that was in it has
 * found its end, so a kill sends it again rather than losing it.
 */
export class ReplayedLetters {
  #world: World;
  #folder: string;
  #emit: (batch: EventBatch, where: string) => void;
  #report: (text: string) => void;
  #timer: Timer | null = null;
  /** Files that are under way. */
  #open = new Set<string>();

  constructor(
    world: World,
    pipelineFolder: string,
    emit: (batch: EventBatch, where: string) => void,
    report: (text: string) => void,
  ) {
    this.#world = world;
    this.#folder = replayFolder(pipelineFolder);
    this.#emit = emit;
    this.#report = report;
  }

  start(): void {
    this.look();
    this.#timer = this.#world.clock.every(LOOK_MS, () => this.look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  look(): void {
    const { files } = this.#world;
    try {
      if (files.stat(this.#folder) === null) return;
      for (const name of files.list(this.#folder)) {
        if (name.endsWith(".jsonl") && !this.#open.has(name)) this.#send(name);
      }
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#report(`dead letters are not sent again: ${error.message}`);
    }
  }

  #send(name: string): void {
    const path = join(this.#folder, name);
    const letters = readLetters(this.#world.files, path);
    this.#open.add(name);
    // The ids of the events are those that they had: a resend makes no second document.
    let left = letters.length;
    const ended = (): void => {
      left -= 1;
      if (left <= 0) this.#done(name, path);
    };
    if (letters.length === 0) return this.#done(name, path);
    for (const { where, stream, offset, event } of letters) {
      const now = this.#world.clock.wallMs();
      const none = Buffer.alloc(0);
      const batch = new EventBatch(REPLAY_SOURCE, stream, path, none, offset, now, ended);
      batch.addFields(event, JSON.stringify(event).length);
      this.#emit(batch, where);
    }
  }

  #done(name: string, path: string): void {
    try {
      this.#world.files.remove(path);
      this.#open.delete(name);
    } catch (error) {
      // It stays in `#open`, so that this process does not send it twice.
      this.#report(error instanceof Error ? error.message : String(error));
    }
  }
}
