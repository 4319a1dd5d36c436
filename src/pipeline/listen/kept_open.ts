import { FileError, NetError } from "../../base/world.ts";
import type { Timer, World } from "../../base/world.ts";
import type { Report } from "../component.ts";

/** What a source has open, and how it gives it back. */
export interface Opened {
  close(): void;
}

const RETRY_MS = 500;

/**
 * A listener that is wanted until `close`. Where its address is in use it is tried again: the
 * source that this one replaces lets go of it a moment later, and so may another program.
 */
export class KeptOpen {
  #world: World;
  #written: string;
  #open: () => Opened | Promise<Opened>;
  #report: Report;
  #opened: Opened | null = null;
  #timer: Timer | null = null;
  #closed = false;
  #said = "";

  constructor(
    world: World,
    written: string,
    open: () => Opened | Promise<Opened>,
    report: Report,
  ) {
    this.#world = world;
    this.#written = written;
    this.#open = open;
    this.#report = report;
  }

  /** An address in use, a key file that is not there: reported, and tried again. */
  start(): void {
    this.#timer = null;
    if (this.#closed) return;
    try {
      const opened = this.#open();
      if (opened instanceof Promise) {
        opened.then(
          (now) => this.#take(now),
          (error: unknown) => this.#failed(error),
        );
      } else this.#take(opened);
    } catch (error) {
      this.#failed(error);
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#opened?.close();
    this.#opened = null;
  }

  #take(opened: Opened): void {
    if (this.#closed) return opened.close();
    this.#opened = opened;
    if (this.#said !== "") this.#report(`listens on ${this.#written} now`);
    this.#said = "";
  }

  #failed(error: unknown): void {
    if (!(error instanceof NetError) && !(error instanceof FileError)) throw error;
    if (this.#closed) return;
    // Once for each new state.
    if (this.#said !== error.message) this.#report(`${error.message}; tried again every 500 ms`);
    this.#said = error.message;
    this.#timer = this.#world.clock.after(RETRY_MS, () => this.start());
  }
}
