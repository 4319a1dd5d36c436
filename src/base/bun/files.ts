import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Files, FileStat, FileWatcher, OpenFile, OpenMode } from "../world.ts";
import { fileError } from "../file_error.ts";

const FLAGS = { read: "r", append: "a", write: "w", create: "wx" } as const;

/**
 * Bun drops an event that equals the one before within about a millisecond: so the last of several
 * quick changes would go unheard. Each call is repeated once, later than that.
 */
const WATCH_ECHO_MS = 5;

export class BunFiles implements Files {
  #replacements = 0;

  readText(path: string): string {
    return tell("read", path, () => fs.readFileSync(path, "utf8"));
  }

  readBytes(path: string): Uint8Array {
    return tell("read", path, () => fs.readFileSync(path));
  }

  write(path: string, data: string | Uint8Array, options?: { readonly mode?: number }): void {
    tell("write", path, () => fs.writeFileSync(path, data, { mode: options?.mode ?? 0o666 }));
  }

  replace(path: string, data: string | Uint8Array, options?: { readonly mode?: number }): void {
    this.#replacements += 1;
    const name = `.${basename(path)}.${process.pid}.${this.#replacements}.new`;
    const beside = join(dirname(path), name);
    tell("write", path, () => {
      try {
        const descriptor = fs.openSync(beside, "wx", options?.mode ?? modeOf(path) ?? 0o666);
        try {
          writeAll(descriptor, typeof data === "string" ? Buffer.from(data) : data);
          fs.fsyncSync(descriptor);
        } finally {
          fs.closeSync(descriptor);
        }
        fs.renameSync(beside, path);
      } catch (error) {
        fs.rmSync(beside, { force: true });
        throw error;
      }
      syncFolder(dirname(path));
    });
  }

  stat(path: string): FileStat | null {
    return tell("look at", path, () => {
      const stat = fs.statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? null : toFileStat(stat);
    });
  }

  list(path: string): readonly string[] {
    return tell("list", path, () => fs.readdirSync(path).sort());
  }

  makeFolder(path: string, options?: { readonly mode?: number }): void {
    tell("make the folder", path, () => {
      fs.mkdirSync(path, { recursive: true, mode: options?.mode ?? 0o777 });
    });
  }

  remove(path: string): void {
    tell("remove", path, () => fs.rmSync(path, { recursive: true, force: true }));
  }

  rename(from: string, to: string): void {
    tell(`rename to ${to}:`, from, () => fs.renameSync(from, to));
  }

  realPath(path: string): string {
    return tell("find", path, () => fs.realpathSync(path));
  }

  open(
    path: string,
    how: OpenMode,
    options?: { readonly mode?: number },
  ): OpenFile {
    const mode = options?.mode ?? 0o666;
    const descriptor = tell("open", path, () => fs.openSync(path, FLAGS[how], mode));
    if (how === "read" && fs.fstatSync(descriptor).isDirectory()) {
      // Linux opens a folder for reading and complains only later.
      fs.closeSync(descriptor);
      throw fileError({ code: "EISDIR" }, "open", path);
    }
    return new BunOpenFile(path, descriptor);
  }

  watch(folder: string, changed: () => void): FileWatcher {
    return tell("watch", folder, () => {
      let echo: ReturnType<typeof setTimeout> | null = null;
      const heard = (): void => {
        changed();
        echo ??= setTimeout(() => {
          echo = null;
          changed();
        }, WATCH_ECHO_MS);
      };
      const watcher = fs.watch(folder, heard);
      // The folder itself went away: that is a change too, and the last one.
      watcher.on("error", heard);
      return {
        close() {
          watcher.close();
          if (echo !== null) clearTimeout(echo);
        },
      };
    });
  }
}

class BunOpenFile implements OpenFile {
  #path: string;
  #descriptor: number;
  #closed = false;

  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  stat(): FileStat {
    return tell("look at", this.#path, () => toFileStat(fs.fstatSync(this.#open())));
  }

  readAt(into: Uint8Array, offset: number, length: number, position: number): number {
    try {
      return fs.readSync(this.#open(), into, offset, length, position);
    } catch (error) {
      throw fileError(error, "read", this.#path);
    }
  }

  write(bytes: Uint8Array): void {
    try {
      writeAll(this.#open(), bytes);
    } catch (error) {
      throw fileError(error, "write", this.#path);
    }
  }

  sync(): void {
    tell("save", this.#path, () => fs.fdatasyncSync(this.#open()));
  }

  truncate(sizeBytes: number): void {
    tell("shorten", this.#path, () => fs.ftruncateSync(this.#open(), sizeBytes));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    tell("close", this.#path, () => fs.closeSync(this.#descriptor));
  }

  /** A closed descriptor's number may already be another file's: never use it again. */
  #open(): number {
    if (this.#closed) throw Object.assign(new Error("it was closed before"), { code: "EBADF" });
    return this.#descriptor;
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length; ) {
    start += fs.writeSync(descriptor, bytes, start, bytes.length - start);
  }
}

function modeOf(path: string): number | undefined {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : stat.mode & 0o7777;
}

/** Without it a crash may still lose the rename. Some file systems cannot: then it is as it is. */
function syncFolder(folder: string): void {
  try {
    const descriptor = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {
    return;
  }
}

function toFileStat(stat: fs.Stats): FileStat {
  return {
    kind: stat.isFile() ? "file" : stat.isDirectory() ? "folder" : "other",
    sizeBytes: stat.size,
    device: stat.dev,
    inode: stat.ino,
    modifiedMs: stat.mtimeMs,
    mode: stat.mode & 0o7777,
  };
}

function tell<T>(doing: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fileError(error, doing, path);
  }
}
