import type { Files } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import type { Report } from "../component.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { MAX_HEAD_BYTES } from "./fingerprint.ts";

/** How far one file has been acknowledged. */
export interface Entry {
  /** Under which it is followed; not the name that a rotation gave it. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** Times that this inode was seen to begin anew. */
  readonly generation: number;
  /** The stream of its events' ids; empty while it has none. */
  readonly stream: string;
  /** Everything before it is acknowledged. */
  readonly offset: number;
  readonly head: Fingerprint;
  /** What stands just before `offset`. */
  readonly tail: Fingerprint;
  /** When the file was last changed, as far as we looked: what is rotated later is newer. */
  readonly modifiedMs: number;
}

export interface Checked {
  /** The first start of all, wall-clock: a file that was rotated later has not been seen yet. */
  readonly sinceMs: number;
  readonly entries: readonly Entry[];
}

/** A file's time lags behind the clock: by a tick of the kernel, or 2 s on the coarsest disks. */
export const COARSE_MS = 2000;

/** The newest are kept. */
export const MAX_ENTRIES = 10_000;

/** The checkpoint of one file source: JSON, mode 0600, replaced as a whole. */
export class Checkpoint {
  #written = "";
  /** There was one when it was read, be it damaged: this is not the very first start. */
  wasThere = true;

  constructor(
    readonly files: Files,
    readonly path: string,
  ) {}

  /** A file that cannot be understood is reported and moved aside: rather duplicates than loss. */
  read(nowMs: number, report: Report): Checked {
    const first = { sinceMs: nowMs - COARSE_MS, entries: [] };
    let text: string;
    try {
      text = this.files.readText(this.path);
    } catch (error) {
      if (error instanceof FileError && error.code === "not-found") {
        this.wasThere = false;
        return first;
      }
      throw error;
    }
    const checked = parseCheckpoint(text);
    if (checked !== null) {
      this.#written = text;
      return checked;
    }
    const aside = `${this.path}.bad`;
    report(
      `the checkpoint ${this.path} is damaged: it is kept as ${aside}, and the files are read` +
        " from their beginning (lines may come twice)",
    );
    try {
      this.files.rename(this.path, aside);
    } catch (error) {
      report(`the damaged checkpoint stays: ${error instanceof Error ? error.message : error}`);
    }
    return first;
  }

  /** Writes it where it differs. @throws FileError */
  write({ sinceMs, entries }: Checked): void {
    const files = entries.slice(-MAX_ENTRIES);
    const text = `${JSON.stringify({ version: 1, sinceMs, files })}\n`;
    if (text === this.#written) return;
    this.files.replace(this.path, text, { mode: 0o600 });
    this.#written = text;
  }
}

function parseCheckpoint(text: string): Checked | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const { version, sinceMs, files } = (parsed ?? {}) as Readonly<Record<string, unknown>>;
  if (version !== 1 || typeof sinceMs !== "number" || !Array.isArray(files)) return null;
  if (files.length > MAX_ENTRIES) return null;
  return files.every(isEntry) ? { sinceMs, entries: files } : null;
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Partial<Record<keyof Entry, unknown>>;
  return (
    typeof entry.path === "string" &&
    typeof entry.stream === "string" &&
    isCount(entry.device) &&
    isCount(entry.inode) &&
    isCount(entry.generation) &&
    isCount(entry.offset) &&
    typeof entry.modifiedMs === "number" &&
    isFingerprint(entry.head) &&
    isFingerprint(entry.tail)
  );
}

function isFingerprint(value: unknown): value is Fingerprint {
  if (typeof value !== "object" || value === null) return false;
  const { length, hash } = value as { length?: unknown; hash?: unknown };
  return isCount(length) && length <= MAX_HEAD_BYTES && typeof hash === "string";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
