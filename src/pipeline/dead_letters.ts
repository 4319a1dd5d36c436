import type { Event } from "../api/event.ts";
import type { OpenFile, Timer, World } from "../base/world.ts";
import type { Report } from "./component.ts";
import { eventJson } from "./event_json.ts";

export interface DeadLettersOptions {
  readonly path: string;
  /** The file never grows above it. */
  readonly maxBytes: number;
  /** Letters that wait for a disk that takes them. */
  readonly maxPending: number;
}

/** What becomes of a letter. */
export interface DeadLetterOwner {
  /** On disk. */
  kept(event: Event, where: string): void;
  /** The file is full: it is gone, and counted. */
  overflowed(event: Event, where: string): void;
  roomAgain(): void;
}

interface Letter {
  readonly event: Event;
  readonly where: string;
  readonly line: Buffer;
}

const RETRY_MS = 1000;

/**
 * Events that no sink will ever take, one JSON line each:
 * `{"at", "where", "reason", "source", "stream", "offset", "event"}`. A disk that does not take
 * them is tried again every second, and until then they are not acknowledged.
 */
export class DeadLetters {
  #world: World;
  #options: DeadLettersOptions;
  #owner: DeadLetterOwner;
  #report: Report;
  #pending: Letter[] = [];
  #file: OpenFile | null = null;
  #sizeBytes = 0;
  #retry: Timer | null = null;
  #scheduled: Timer | null = null;
  #failing = false;
  #wasFull = false;
  #saidOverflow = false;
  /** Times that the disk refused. */
  writeFailures = 0;

  constructor(world: World, options: DeadLettersOptions, owner: DeadLetterOwner, report: Report) {
    this.#world = world;
    this.#options = options;
    this.#owner = owner;
    this.#report = report;
  }

  get pending(): number {
    return this.#pending.length;
  }

  get isFull(): boolean {
    if (this.#pending.length >= this.#options.maxPending) this.#wasFull = true;
    return this.#wasFull;
  }

  /** `where` is the sink's or the step's name. Written soon, with others of the same moment. */
  add(event: Event, where: string, reason: string): void {
    const { origin } = event;
    const at = new Date(this.#world.clock.wallMs()).toISOString();
    const offset = origin.offset + event.start;
    const { source, stream } = origin;
    const head = JSON.stringify({ at, where, reason, source, stream, offset });
    const line = Buffer.from(`${head.slice(0, -1)},"event":${eventJson(event)}}\n`);
    this.#pending.push({ event, where, line });
    this.#scheduled ??= this.#world.clock.after(0, () => {
      this.#scheduled = null;
      if (this.#retry === null) this.flush();
    });
  }

  /** Writes what is pending. */
  flush(): void {
    const letters = this.#pending;
    if (letters.length === 0) return;
    const kept: Letter[] = [];
    const lost: Letter[] = [];
    try {
      const file = (this.#file ??= this.#open());
      // Another process, a person with an editor: the file's own size counts.
      this.#sizeBytes = file.stat().sizeBytes;
      let total = this.#sizeBytes;
      for (const letter of letters) {
        if (total + letter.line.length > this.#options.maxBytes) lost.push(letter);
        else {
          kept.push(letter);
          total += letter.line.length;
        }
      }
      if (kept.length > 0) this.#write(file, kept);
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#pending = [];
    if (this.#failing) this.#report(`dead letters: ${this.#options.path} takes them again`);
    this.#failing = false;
    if (lost.length > 0 && !this.#saidOverflow) {
      this.#saidOverflow = true;
      const { path, maxBytes } = this.#options;
      this.#report(
        `dead letters: ${path} has reached its bound of ${maxBytes} bytes; what follows is` +
          " dropped and counted. Replay or remove the file",
      );
    }
    for (const { event, where } of kept) this.#owner.kept(event, where);
    for (const { event, where } of lost) this.#owner.overflowed(event, where);
    if (this.#wasFull) {
      this.#wasFull = false;
      this.#owner.roomAgain();
    }
  }

  /** The file is another one by now. */
  reopen(): void {
    this.#file?.close();
    this.#file = null;
    this.#saidOverflow = false;
  }

  close(): void {
    this.#scheduled?.cancel();
    this.#retry?.cancel();
    this.#file?.close();
    this.#file = null;
  }

  #open(): OpenFile {
    return this.#world.files.open(this.#options.path, "append", { mode: 0o600 });
  }

  #write(file: OpenFile, letters: readonly Letter[]): void {
    try {
      file.write(Buffer.concat(letters.map((letter) => letter.line)));
      file.sync();
    } catch (error) {
      // Half a line would make the next one unreadable.
      file.truncate(this.#sizeBytes);
      throw error;
    }
  }

  #failed(error: unknown): void {
    this.writeFailures += 1;
    if (!this.#failing) {
      const text = error instanceof Error ? error.message : String(error);
      this.#report(`dead letters: ${text}; tried again every second, not acknowledged until then`);
    }
    this.#failing = true;
    try {
      this.#file?.close();
    } catch {
      // It was broken before; the next try opens it anew.
    }
    this.#file = null;
    this.#retry ??= this.#world.clock.after(RETRY_MS, () => {
      this.#retry = null;
      this.flush();
    });
  }
}
