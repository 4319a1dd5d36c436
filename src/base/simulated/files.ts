import { basename, dirname, resolve } from "node:path";
import { assert } from "../assert.ts";
import { fileError } from "../file_error.ts";
import type { Files, FileStat, FileWatcher, OpenFile, OpenMode } from "../world.ts";
import type { SimulatedClock } from "./clock.ts";
import type { SimulatedRandom } from "./random.ts";

const LINKS_MAX = 40;
/** A hint comes soon after the change, and one for all changes until then. */
const WATCH_DELAY_MS = 0.2;

type Inode = FileInode | FolderInode | LinkInode | SocketInode;

interface InodeParts {
  readonly number: number;
  mode: number;
  modifiedMs: number;
}

interface FileInode extends InodeParts {
  readonly kind: "file";
  bytes: Uint8Array;
  sizeBytes: number;
  /** Names and open handles: at 0 its bytes are free again. */
  holders: number;
}

interface FolderInode extends InodeParts {
  readonly kind: "folder";
  readonly entries: Map<string, Inode>;
  readonly watchers: Set<Watcher>;
}

interface LinkInode extends InodeParts {
  readonly kind: "link";
  readonly target: string;
}

interface SocketInode extends InodeParts {
  readonly kind: "socket";
}

interface Watcher {
  readonly changed: () => void;
  isDue: boolean;
}

/** Files in memory, with inodes as on Linux: a file lives on under a new name and without one. */
export class SimulatedFiles implements Files {
  /** What may still be written; a write beyond it takes what fits and throws `disk-full`. */
  freeBytes = Number.POSITIVE_INFINITY;
  /** The probability that a watcher does not hear of a change. */
  missedChanges = 0;
  /** Consulted before each operation: return a code of the system (`EACCES`, `EIO`) to fail it. */
  fault: ((doing: string, path: string) => string | null) | null = null;
  openFiles = 0;
  watchers = 0;
  #clock: SimulatedClock;
  #random: SimulatedRandom;
  #folder: string;
  #lastInode = 1;
  #root: FolderInode;

  constructor(clock: SimulatedClock, random: SimulatedRandom, folder: string) {
    this.#clock = clock;
    this.#random = random;
    this.#folder = folder;
    this.#root = this.#newFolder(0o755);
    this.makeFolder("/tmp");
    this.makeFolder(folder);
  }

  readText(path: string): string {
    return new TextDecoder().decode(this.#readFile(path));
  }

  readBytes(path: string): Uint8Array {
    return this.#readFile(path);
  }

  write(path: string, data: string | Uint8Array, options?: { readonly mode?: number }): void {
    const file = this.open(path, "write", options);
    try {
      file.write(toBytes(data));
    } finally {
      file.close();
    }
  }

  replace(path: string, data: string | Uint8Array, options?: { readonly mode?: number }): void {
    this.#check("write", path);
    const beside = resolve(this.#folder, dirname(path), `.${basename(path)}.new`);
    const mode = options?.mode ?? this.stat(path)?.mode;
    try {
      this.write(beside, data, mode === undefined ? {} : { mode });
      this.rename(beside, path);
    } catch (error) {
      this.#unlinkQuietly(beside);
      throw fileError({ code: systemCode(error) }, "write", path);
    }
  }

  stat(path: string): FileStat | null {
    this.#check("look at", path);
    const inode = this.#find(path, "look at");
    return inode === null ? null : toStat(inode);
  }

  list(path: string): readonly string[] {
    this.#check("list", path);
    const inode = this.#find(path, "list");
    if (inode === null) throw fileError({ code: "ENOENT" }, "list", path);
    if (inode.kind !== "folder") throw fileError({ code: "ENOTDIR" }, "list", path);
    return [...inode.entries.keys()].sort();
  }

  makeFolder(path: string, options?: { readonly mode?: number }): void {
    const doing = "make the folder";
    this.#check(doing, path);
    let folder = this.#root;
    for (const name of wordsOf(resolve(this.#folder, path))) {
      let next = folder.entries.get(name);
      if (next?.kind === "link") next = this.#find(next.target, doing) ?? undefined;
      if (next === undefined) {
        next = this.#newFolder(options?.mode ?? 0o755);
        this.#enter(folder, name, next);
      }
      if (next.kind !== "folder") throw fileError({ code: "ENOTDIR" }, doing, path);
      folder = next;
    }
  }

  remove(path: string): void {
    this.#check("remove", path);
    const place = this.#place(path, "remove");
    const inode = place?.folder.entries.get(place.name);
    if (place === null || inode === undefined) return;
    if (inode.kind === "folder") this.#empty(inode);
    this.#leave(place.folder, place.name);
  }

  rename(from: string, to: string): void {
    const doing = `rename to ${to}:`;
    this.#check(doing, from);
    const source = this.#place(from, doing);
    const target = this.#place(to, doing);
    const inode = source?.folder.entries.get(source.name);
    if (source === null || target === null || inode === undefined) {
      throw fileError({ code: "ENOENT" }, doing, from);
    }
    const replaced = target.folder.entries.get(target.name);
    if (replaced === inode) return;
    if (replaced?.kind === "folder") {
      if (inode.kind !== "folder") throw fileError({ code: "EISDIR" }, doing, from);
      if (replaced.entries.size > 0) throw fileError({ code: "ENOTEMPTY" }, doing, from);
    } else if (replaced !== undefined && inode.kind === "folder") {
      throw fileError({ code: "ENOTDIR" }, doing, from);
    }
    if (replaced !== undefined) this.#leave(target.folder, target.name);
    source.folder.entries.delete(source.name);
    this.#changed(source.folder);
    target.folder.entries.set(target.name, inode);
    this.#changed(target.folder);
  }

  realPath(path: string): string {
    this.#check("find", path);
    const real = this.#realPath(resolve(this.#folder, path), "find", path);
    if (this.#find(real, "find") === null) throw fileError({ code: "ENOENT" }, "find", path);
    return real;
  }

  open(
    path: string,
    how: OpenMode,
    options?: { readonly mode?: number },
  ): OpenFile {
    this.#check("open", path);
    let inode = this.#find(path, "open");
    if (inode !== null && how === "create") throw fileError({ code: "EEXIST" }, "open", path);
    if (inode === null && how !== "read") inode = this.#create(path, options?.mode ?? 0o644);
    if (inode === null) throw fileError({ code: "ENOENT" }, "open", path);
    if (inode.kind !== "file") throw fileError({ code: "EISDIR" }, "open", path);
    if (how === "write") this.resize(inode, 0);
    inode.holders += 1;
    this.openFiles += 1;
    return new SimulatedFile(this, inode, path, how);
  }

  watch(folder: string, changed: () => void): FileWatcher {
    this.#check("watch", folder);
    const inode = this.#find(folder, "watch");
    if (inode === null) throw fileError({ code: "ENOENT" }, "watch", folder);
    if (inode.kind !== "folder") throw fileError({ code: "ENOTDIR" }, "watch", folder);
    const watcher: Watcher = { changed, isDue: false };
    inode.watchers.add(watcher);
    this.watchers += 1;
    return {
      close: () => {
        if (inode.watchers.delete(watcher)) this.watchers -= 1;
      },
    };
  }

  /** A symbolic link, which World offers no way to make; a mounted ConfigMap is full of them. */
  link(path: string, target: string): void {
    const place = this.#place(path, "link");
    if (place === null) throw fileError({ code: "ENOENT" }, "link", path);
    if (place.folder.entries.has(place.name)) throw fileError({ code: "EEXIST" }, "link", path);
    const parts = this.#newParts(0o777);
    const absolute = resolve(this.#folder, dirname(path), target);
    this.#enter(place.folder, place.name, { kind: "link", target: absolute, ...parts });
  }

  /** For the simulated network: the file of a unix socket. */
  placeSocket(path: string, mode: number): void {
    const place = this.#place(path, "listen on");
    if (place === null) throw fileError({ code: "ENOENT" }, "listen on", path);
    this.#enter(place.folder, place.name, { kind: "socket", ...this.#newParts(mode) });
  }

  // ------------------------------------------------------------ of an inode

  /** Appends what fits; false where the disk became full. */
  grow(inode: FileInode, bytes: Uint8Array, position: number): boolean {
    const growth = Math.max(0, position + bytes.length - inode.sizeBytes);
    const granted = Math.min(growth, Math.max(0, this.freeBytes));
    const taken = bytes.length - (growth - granted);
    this.freeBytes -= granted;
    const end = position + taken;
    if (end > inode.bytes.length) {
      const larger = new Uint8Array(Math.max(end, inode.bytes.length * 2, 64));
      larger.set(inode.bytes.subarray(0, inode.sizeBytes));
      inode.bytes = larger;
    }
    inode.bytes.set(bytes.subarray(0, taken), position);
    inode.sizeBytes = Math.max(inode.sizeBytes, end);
    this.#touch(inode);
    return taken === bytes.length;
  }

  resize(inode: FileInode, sizeBytes: number): void {
    if (sizeBytes > inode.sizeBytes) {
      this.grow(inode, new Uint8Array(sizeBytes - inode.sizeBytes), inode.sizeBytes);
      return;
    }
    inode.bytes.fill(0, sizeBytes, inode.sizeBytes);
    this.freeBytes += inode.sizeBytes - sizeBytes;
    inode.sizeBytes = sizeBytes;
    this.#touch(inode);
  }

  release(inode: FileInode): void {
    inode.holders -= 1;
    assert(inode.holders >= 0, "an inode was released twice");
    if (inode.holders === 0) this.freeBytes += inode.sizeBytes;
  }

  check(doing: string, path: string): void {
    this.#check(doing, path);
  }

  #touch(inode: FileInode): void {
    inode.modifiedMs = this.#clock.wallMs();
    this.#changedBelow(this.#root, inode);
  }

  // ------------------------------------------------------------ the tree

  #readFile(path: string): Uint8Array {
    this.#check("read", path);
    const inode = this.#find(path, "read");
    if (inode === null) throw fileError({ code: "ENOENT" }, "read", path);
    if (inode.kind !== "file") throw fileError({ code: "EISDIR" }, "read", path);
    return inode.bytes.slice(0, inode.sizeBytes);
  }

  /** The path without links, as far as it exists. */
  #realPath(absolute: string, doing: string, asked: string): string {
    let words = wordsOf(absolute);
    let folder: FolderInode = this.#root;
    let links = 0;
    for (let index = 0; index < words.length; index += 1) {
      const inode = folder.entries.get(words[index]!);
      if (inode === undefined) break;
      if (inode.kind === "folder") {
        folder = inode;
      } else if (inode.kind === "link") {
        links += 1;
        if (links > LINKS_MAX) throw fileError({ code: "ELOOP" }, doing, asked);
        words = [...wordsOf(inode.target), ...words.slice(index + 1)];
        folder = this.#root;
        index = -1;
      } else if (index < words.length - 1) {
        throw fileError({ code: "ENOTDIR" }, doing, asked);
      }
    }
    return `/${words.join("/")}`;
  }

  #find(path: string, doing: string): Inode | null {
    const real = this.#realPath(resolve(this.#folder, path), doing, path);
    let inode: Inode = this.#root;
    for (const name of wordsOf(real)) {
      const next: Inode | undefined =
        inode.kind === "folder" ? inode.entries.get(name) : undefined;
      if (next === undefined) return null;
      inode = next;
    }
    return inode;
  }

  /** The folder that holds the name, links in the folder's path followed. */
  #place(path: string, doing: string): { folder: FolderInode; name: string } | null {
    const absolute = resolve(this.#folder, path);
    const folder = this.#find(dirname(absolute), doing);
    if (folder === null) return null;
    if (folder.kind !== "folder") throw fileError({ code: "ENOTDIR" }, doing, path);
    return { folder, name: basename(absolute) };
  }

  #create(path: string, mode: number): FileInode {
    const real = this.#realPath(resolve(this.#folder, path), "open", path);
    const place = this.#place(real, "open");
    if (place === null) throw fileError({ code: "ENOENT" }, "open", path);
    const parts = this.#newParts(mode);
    const inode: FileInode = {
      kind: "file",
      bytes: new Uint8Array(0),
      sizeBytes: 0,
      holders: 0,
      ...parts,
    };
    this.#enter(place.folder, place.name, inode);
    return inode;
  }

  #enter(folder: FolderInode, name: string, inode: Inode): void {
    if (inode.kind === "file") inode.holders += 1;
    folder.entries.set(name, inode);
    this.#changed(folder);
  }

  #leave(folder: FolderInode, name: string): void {
    const inode = folder.entries.get(name);
    folder.entries.delete(name);
    if (inode?.kind === "file") this.release(inode);
    this.#changed(folder);
  }

  #empty(folder: FolderInode): void {
    for (const [name, inode] of [...folder.entries]) {
      if (inode.kind === "folder") this.#empty(inode);
      this.#leave(folder, name);
    }
  }

  #unlinkQuietly(path: string): void {
    const place = this.#place(path, "remove");
    if (place?.folder.entries.has(place.name)) this.#leave(place.folder, place.name);
  }

  #changedBelow(folder: FolderInode, changed: FileInode): void {
    if (this.watchers === 0) return;
    for (const inode of folder.entries.values()) {
      if (inode === changed) this.#changed(folder);
      else if (inode.kind === "folder") this.#changedBelow(inode, changed);
    }
  }

  #changed(folder: FolderInode): void {
    folder.modifiedMs = this.#clock.wallMs();
    for (const watcher of folder.watchers) {
      if (watcher.isDue || this.#random.chance(this.missedChanges)) continue;
      watcher.isDue = true;
      this.#clock.plan(WATCH_DELAY_MS, () => {
        watcher.isDue = false;
        if (folder.watchers.has(watcher)) watcher.changed();
      });
    }
  }

  #newParts(mode: number): InodeParts {
    this.#lastInode += 1;
    return { number: this.#lastInode, mode, modifiedMs: this.#clock.wallMs() };
  }

  #newFolder(mode: number): FolderInode {
    return { kind: "folder", entries: new Map(), watchers: new Set(), ...this.#newParts(mode) };
  }

  #check(doing: string, path: string): void {
    const code = this.fault?.(doing, path) ?? null;
    if (code !== null) throw fileError({ code }, doing, path);
  }
}

class SimulatedFile implements OpenFile {
  #files: SimulatedFiles;
  #inode: FileInode;
  #path: string;
  #how: OpenMode;
  #position = 0;
  #isOpen = true;

  constructor(
    files: SimulatedFiles,
    inode: FileInode,
    path: string,
    how: OpenMode,
  ) {
    this.#files = files;
    this.#inode = inode;
    this.#path = path;
    this.#how = how;
  }

  stat(): FileStat {
    this.#check("look at");
    return toStat(this.#inode);
  }

  readAt(into: Uint8Array, offset: number, length: number, position: number): number {
    this.#check("read");
    if (this.#how !== "read") throw fileError({ code: "EBADF" }, "read", this.#path);
    const end = Math.min(position + length, this.#inode.sizeBytes);
    if (end <= position) return 0;
    into.set(this.#inode.bytes.subarray(position, end), offset);
    return end - position;
  }

  write(bytes: Uint8Array): void {
    this.#check("write");
    if (this.#how === "read") throw fileError({ code: "EBADF" }, "write", this.#path);
    const start = this.#how === "append" ? this.#inode.sizeBytes : this.#position;
    const isWhole = this.#files.grow(this.#inode, bytes, start);
    this.#position = Math.min(start + bytes.length, this.#inode.sizeBytes);
    if (!isWhole) throw fileError({ code: "ENOSPC" }, "write", this.#path);
  }

  sync(): void {
    this.#check("save");
  }

  truncate(sizeBytes: number): void {
    this.#check("shorten");
    this.#files.resize(this.#inode, sizeBytes);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#files.openFiles -= 1;
    this.#files.release(this.#inode);
  }

  #check(doing: string): void {
    if (!this.#isOpen) throw fileError({ code: "EBADF" }, doing, this.#path);
    this.#files.check(doing, this.#path);
  }
}

function toStat(inode: Inode): FileStat {
  return {
    kind: inode.kind === "file" || inode.kind === "folder" ? inode.kind : "other",
    sizeBytes: inode.kind === "file" ? inode.sizeBytes : 0,
    device: 1,
    inode: inode.number,
    modifiedMs: inode.modifiedMs,
    mode: inode.mode,
  };
}

function wordsOf(path: string): string[] {
  return path.split("/").filter((word) => word !== "");
}

function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

/** The system's code is in the text, in parentheses at its end. */
function systemCode(error: unknown): string {
  return /\((E[A-Z]+)\)$/.exec((error as Error).message)?.[1] ?? "EIO";
}
