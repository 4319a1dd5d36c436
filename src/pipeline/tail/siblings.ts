import { basename, dirname, join } from "node:path";
import type { Files, FileStat, OpenFile } from "../../base/world.ts";
import { gunzip } from "../../base/gzip.ts";
import { FileError } from "../../base/world.ts";
import type { Entry } from "./checkpoint.ts";
import { COARSE_MS } from "./checkpoint.ts";
import { isCompressed } from "./glob.ts";
import { keyOf, matches } from "./tailed_file.ts";

/** Files of one folder that are looked at in search of a rotated one. */
const MAX_SIBLINGS = 1000;

/** Whether a file is followed or was read already: by its content too, as inodes come again. */
export type IsTaken = (key: string, handle: OpenFile) => boolean;

export interface Sibling {
  readonly path: string;
  readonly stat: FileStat;
}

/** Looks in a row at a folder that changes under them. */
const MAX_LOOKS = 10;

/**
 * Regular files beside `path`. Links are left out: a rotated file is where its log is, and a link
 * would lead elsewhere. A rotation that is under way moves names while they are read, and a file
 * could be missed: so two looks in a row have to see the same.
 */
export function siblingsOf(files: Files, path: string): readonly Sibling[] {
  let found = lookBeside(files, path);
  for (let look = 1; look < MAX_LOOKS; look++) {
    const again = lookBeside(files, path);
    const same =
      again.length === found.length &&
      again.every((one, i) => isSame(one, found[i]!));
    if (same) return again;
    found = again;
  }
  return found;
}

function isSame(one: Sibling, other: Sibling): boolean {
  return one.path === other.path && keyOf(one.stat) === keyOf(other.stat);
}

function lookBeside(files: Files, path: string): readonly Sibling[] {
  const folder = dirname(path);
  const found: Sibling[] = [];
  let names: readonly string[];
  let real: string;
  try {
    names = files.list(folder);
    real = files.realPath(folder);
  } catch (error) {
    if (error instanceof FileError) return [];
    throw error;
  }
  for (const name of names) {
    if (found.length >= MAX_SIBLINGS) break;
    if (name === basename(path) || isCompressed(name) || !isRelated(name, path)) continue;
    const beside = join(folder, name);
    try {
      const stat = files.stat(beside);
      if (stat?.kind !== "file" || files.realPath(beside) !== join(real, name)) continue;
      found.push({ path: beside, stat });
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  }
  return found;
}

/** The part of a log's name before its first dot: rotated names begin with it. */
function stemOf(path: string): string {
  const name = basename(path);
  const dot = name.indexOf(".", 1);
  return dot < 0 ? name : name.slice(0, dot);
}

function isRelated(name: string, path: string): boolean {
  return name.startsWith(stemOf(path));
}

/**
 * Names that say "an older part of this log" by themselves: `app.log.1`, `app.log-20261121`,
 * `app-2026-11-21.log`, `app.1.log`.
 */
export function isRotatedName(name: string, path: string): boolean {
  const base = basename(path);
  const stem = stemOf(path);
  const extension = base.slice(stem.length);
  const isNumber = (rest: string): boolean => /^[.\-_]?\d[\d.\-_T:]*$/.test(rest);
  if (name.startsWith(base) && isNumber(name.slice(base.length))) return true;
  if (extension === "" || !name.startsWith(stem) || !name.endsWith(extension)) return false;
  return isNumber(name.slice(stem.length, name.length - extension.length));
}

/** Oldest first. Changed in the same moment: `app.log.2` before `app.log.1`, else by name. */
export function byAge(one: Sibling, other: Sibling): number {
  const apart = one.stat.modifiedMs - other.stat.modifiedMs;
  if (apart !== 0) return apart;
  const [a, b] = [rotationNumber(one.path), rotationNumber(other.path)];
  if (a !== null && b !== null) return b - a;
  return one.path < other.path ? -1 : 1;
}

function rotationNumber(path: string): number | null {
  const match = /\.(\d{1,4})$/.exec(path);
  return match === null ? null : Number(match[1]);
}

/** The file of an entry under its new name, by inode and content. Null where it is not there. */
export function findRenamed(
  files: Files,
  siblings: readonly Sibling[],
  entry: Entry,
): Found | null {
  for (const { path, stat } of siblings) {
    if (keyOf(stat) !== keyOf(entry)) continue;
    const handle = openMatching(files, path, entry);
    if (handle !== null) return { path, stat, handle };
  }
  return null;
}

/**
 * A copy that was made before the log itself began anew (`copytruncate`): it holds what was read at
 * the same place, and maybe what was not read yet. The newest of several.
 */
export function findCopy(
  files: Files,
  siblings: readonly Sibling[],
  entry: Entry,
  isTaken: IsTaken,
): Found | null {
  if (entry.head.length === 0) return null;
  const candidates = siblings
    .filter(({ stat }) => stat.sizeBytes >= entry.offset)
    .sort((one, other) => other.stat.modifiedMs - one.stat.modifiedMs);
  for (const { path, stat } of candidates) {
    const handle = openTrying(
      files,
      path,
      (copy) => matches(copy, entry) && !isTaken(keyOf(copy.stat()), copy),
    );
    if (handle !== null) return { path, stat, handle };
  }
  return null;
}

export interface Found extends Sibling {
  readonly handle: OpenFile;
}

/** What was truncated so soon that we had read more of it than the copy holds. */
export function findPrefixCopy(
  files: Files,
  siblings: readonly Sibling[],
  isCopy: (handle: OpenFile) => boolean,
  isTaken: IsTaken,
): Found | null {
  for (const { path, stat } of siblings) {
    const handle = openTrying(
      files,
      path,
      (copy) => isCopy(copy) && !isTaken(keyOf(copy.stat()), copy),
    );
    if (handle !== null) return { path, stat, handle };
  }
  return null;
}

/** Compressed copies that are looked into, the newest first. */
const MAX_COMPRESSED = 3;
/** A larger one is not unfolded: it would have to lie in memory. */
const MAX_UNFOLDED_BYTES = 64 * 1024 * 1024;

/**
 * The file of an entry, or its copy, that was compressed before its rest was read: a rotation that
 * compresses at once leaves a moment only. Compressed files are not followed otherwise.
 */
export function findCompressed(
  files: Files,
  path: string,
  entry: Entry,
  isTaken: IsTaken,
): Found | null {
  if (entry.head.length === 0) return null;
  const folder = dirname(path);
  const found: Sibling[] = [];
  try {
    for (const name of files.list(folder)) {
      if (!name.endsWith(".gz") || !isRotatedName(name.slice(0, -3), path)) continue;
      const stat = files.stat(join(folder, name));
      const fits = stat?.kind === "file" && stat.sizeBytes <= MAX_UNFOLDED_BYTES;
      if (!fits || stat.modifiedMs < entry.modifiedMs - COARSE_MS) continue;
      found.push({ path: join(folder, name), stat });
    }
    found.sort((one, other) => other.stat.modifiedMs - one.stat.modifiedMs);
    for (const { path, stat } of found.slice(0, MAX_COMPRESSED)) {
      if (files.realPath(path) !== join(files.realPath(folder), basename(path))) continue;
      const bytes = gunzip(files.readBytes(path), MAX_UNFOLDED_BYTES);
      if (typeof bytes === "string") continue;
      const handle = new UnfoldedFile(bytes, stat);
      if (!matches(handle, entry) || isTaken(keyOf(stat), handle)) continue;
      return { path, stat: handle.stat(), handle };
    }
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
  }
  return null;
}

/** What was compressed, as an open file. */
class UnfoldedFile implements OpenFile {
  readonly #bytes: Buffer;
  readonly #stat: FileStat;

  constructor(bytes: Buffer, stat: FileStat) {
    this.#bytes = bytes;
    this.#stat = { ...stat, sizeBytes: bytes.length };
  }

  stat(): FileStat {
    return this.#stat;
  }

  readAt(into: Uint8Array, offset: number, length: number, position: number): number {
    const end = Math.min(this.#bytes.length, position + length);
    if (end <= position) return 0;
    into.set(this.#bytes.subarray(position, end), offset);
    return end - position;
  }

  write(): void {
    throw new Error("bug: a compressed log is read only");
  }

  sync(): void {}

  truncate(): void {
    throw new Error("bug: a compressed log is read only");
  }

  close(): void {}
}

function openMatching(files: Files, path: string, entry: Entry): OpenFile | null {
  return openTrying(files, path, (handle) => matches(handle, entry));
}

function openTrying(
  files: Files,
  path: string,
  isIt: (handle: OpenFile) => boolean,
): OpenFile | null {
  let handle: OpenFile | null = null;
  try {
    handle = files.open(path, "read");
    if (isIt(handle)) return handle;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
  }
  handle?.close();
  return null;
}
