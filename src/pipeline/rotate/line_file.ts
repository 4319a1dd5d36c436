import type { OpenFile, World } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";

const NEWLINE = 10;
const BRACE = 0x7b;
const LOOK_BYTES = 64 * 1024;
/** A torn line is looked for so far back. */
const MAX_TORN_BYTES = 16 * 1024 * 1024;

/**
 * A file that only whole lines are added to: what a crash or a full disk left half written at its
 * end is repaired before the next line.
 */
export class LineFile {
  readonly path: string;
  /** When its oldest line was written, or the file was changed last before it was opened. */
  readonly sinceMs: number;
  /** Found at the end when it was opened, and cut off or ended. */
  readonly repaired: "no" | "cut" | "ended";
  #world: World;
  #file: OpenFile;
  #inode: number;
  #sizeBytes: number;
  #isDirty = false;

  /** @throws FileError */
  constructor(world: World, path: string, mode: number) {
    const { files } = world;
    const there = files.stat(path);
    if (there !== null && there.kind !== "file") {
      throw new FileError("not-a-file", path, `${path} is there and no regular file`);
    }
    this.#world = world;
    this.path = path;
    this.repaired = there === null ? "no" : repair(world, path);
    this.#file = files.open(path, "append", { mode });
    const { inode, sizeBytes } = this.#file.stat();
    this.#inode = inode;
    this.#sizeBytes = sizeBytes;
    this.sinceMs = there === null || sizeBytes === 0 ? world.clock.wallMs() : there.modifiedMs;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Something was written that no `sync` has followed. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Another program has moved, removed or replaced it: what is written here goes elsewhere. */
  get isMoved(): boolean {
    return this.#world.files.stat(this.path)?.inode !== this.#inode;
  }

  /**
   * All of it or nothing, as far as the disk lets us: where the rest of a failed write cannot be
   * taken back, the next one to open the file repairs it.
   * @throws FileError
   */
  append(lines: Uint8Array, sync: boolean): void {
    const before = this.#file.stat().sizeBytes;
    try {
      this.#file.write(lines);
      this.#isDirty = true;
      if (sync) this.sync();
      this.#sizeBytes = before + lines.length;
    } catch (error) {
      this.#file.truncate(before);
      throw error;
    }
  }

  /** @throws FileError */
  sync(): void {
    this.#file.sync();
    this.#isDirty = false;
  }

  close(): void {
    this.#file.close();
  }
}

/** @throws FileError */
function repair(world: World, path: string): "no" | "cut" | "ended" {
  const tail = tornLine(world, path);
  if (tail === null) return "no";
  const file = world.files.open(path, "append");
  try {
    if (isTornJson(tail.bytes)) {
      file.truncate(tail.start);
      return "cut";
    }
    // Whole, but for its end; or not ours to judge.
    file.write(Uint8Array.of(NEWLINE));
    return "ended";
  } finally {
    file.close();
  }
}

/** What is behind the last newline; null where nothing is. */
function tornLine(
  world: World,
  path: string,
): { readonly bytes: Buffer; readonly start: number } | null {
  const file = world.files.open(path, "read");
  try {
    const { sizeBytes } = file.stat();
    let held: Buffer = Buffer.alloc(0);
    for (let start = sizeBytes; start > 0 && held.length < MAX_TORN_BYTES; ) {
      const length = Math.min(LOOK_BYTES, start);
      const piece = Buffer.alloc(length);
      start -= length;
      const read = file.readAt(piece, 0, length, start);
      const newline = piece.lastIndexOf(NEWLINE, read - 1);
      held = Buffer.concat([piece.subarray(newline + 1, read), held]);
      if (newline >= 0) break;
    }
    return held.length === 0 ? null : { bytes: held, start: sizeBytes - held.length };
  } finally {
    file.close();
  }
}

/** The beginning of an object, and not all of it. What begins otherwise was not written here. */
function isTornJson(bytes: Buffer): boolean {
  if (bytes[0] !== BRACE || bytes.length >= MAX_TORN_BYTES) return false;
  try {
    JSON.parse(bytes.toString());
    return false;
  } catch {
    return true;
  }
}
