import { basename, dirname } from "node:path";
import type { Files, FileStat, OpenFile } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import type { Report } from "../component.ts";
import type { Checked, Entry } from "./checkpoint.ts";
import { MAX_ENTRIES } from "./checkpoint.ts";
import { byAge, findCompressed, findCopy, findPrefixCopy, findRenamed } from "./siblings.ts";
import { isRotatedName, siblingsOf } from "./siblings.ts";
import type { Sibling } from "./siblings.ts";
import type { TailHost } from "./tailed_file.ts";
import { TailedFile, endEntry, keyOf, matches, newEntry, readEntry } from "./tailed_file.ts";

/** One path and the files that had it: the rotated ones, oldest first, then the current one. */
interface Chain {
  readonly path: string;
  /** Where the file really lies, and its rotated ones beside it; the path may be a link. */
  place: string;
  readonly files: TailedFile[];
  current: TailedFile | null;
}

export interface FollowOptions {
  /** Files open at once. */
  readonly maxFiles: number;
  /** A rotated file is let go after as long without growth. */
  readonly keepRotatedMs: number;
  /** One file reads at most as much before it is another's turn. */
  readonly readBytes: number;
}

/** Texts that are remembered so as not to be said twice. */
const MAX_SAID = 10_000;

/** The files of one source: which there are, which of them is which, and how far they were read. */
export class FollowedFiles {
  #files: Files;
  #host: TailHost;
  #options: FollowOptions;
  #report: Report;
  #chains = new Map<string, Chain>();
  /** Open files by device and inode. */
  #open = new Map<string, TailedFile>();
  /** Files that are not open, as far as they were acknowledged. */
  #known = new Map<string, Entry>();
  #said = new Set<string>();
  /** What may be opened, by path, and where it really lies: as of the last look. */
  #places: ReadonlyMap<string, string> = new Map();
  /** Since when a file is taken for a copy in the making. */
  #copies = new Map<string, number>();
  #fromEnd = false;
  #turn = 0;
  #sinceMs = Infinity;

  constructor(files: Files, host: TailHost, options: FollowOptions, report: Report) {
    this.#files = files;
    this.#host = host;
    this.#options = options;
    this.#report = report;
  }

  remember({ sinceMs, entries }: Checked): void {
    this.#sinceMs = sinceMs;
    for (const entry of entries) this.#known.set(keyOf(entry), entry);
  }

  /** For the checkpoint: those that are open last, so that a bound drops the others first. */
  checked(): Checked {
    const known = new Map(this.#known);
    for (const file of this.#open.values()) known.delete(file.key);
    const open = [...this.#open.values()].map((file) => file.entry());
    return { sinceMs: this.#sinceMs, entries: [...known.values(), ...open] };
  }

  /** Paths of files that were read before and are not open: their rest may lie beside them. */
  get rememberedPaths(): ReadonlySet<string> {
    return new Set([...this.#known.values()].map((entry) => entry.path));
  }

  get paths(): readonly string[] {
    return [...this.#chains.keys()];
  }

  /** Behind what was read, in the files that are open. */
  lagBytes(): number {
    let bytes = 0;
    for (const file of this.#open.values()) bytes += file.lagBytes;
    return bytes;
  }

  /**
   * Looks for new files, rotated ones, those that are over. True where one was opened. `places` are
   * all files that may be opened, with where they really lie; `fromEnd` is for those that are new.
   */
  refresh(places: ReadonlyMap<string, string>, fromEnd: boolean): boolean {
    const before = this.#open.size;
    const opened = new Set(this.#open.keys());
    this.#places = places;
    this.#fromEnd = fromEnd;
    for (const path of this.#copies.keys()) if (!places.has(path)) this.#copies.delete(path);
    for (const [path, place] of places) {
      if (!this.#chains.has(path)) this.#begin(path, place);
    }
    for (const chain of this.#chains.values()) {
      chain.place = places.get(chain.path) ?? chain.place;
      if (chain.current !== null) this.#followPath(chain);
      else this.#tryCurrent(chain);
      this.#release(chain);
      if (chain.files.length === 0) this.#chains.delete(chain.path);
    }
    if (this.#open.size !== before) return true;
    return [...this.#open.keys()].some((key) => !opened.has(key));
  }

  /** Reads a bounded amount of every file. True where there is more to read at once. */
  read(): boolean {
    const chains = [...this.#chains.values()];
    let more = false;
    // Begin with another one each time: when the sinks push back, none of them starves.
    this.#turn += 1;
    for (let i = 0; i < chains.length; i++) {
      const chain = chains[(i + this.#turn) % chains.length]!;
      if (this.#readChain(chain)) more = true;
      if (!this.#host.output.ready) return false;
    }
    return more;
  }

  close(): void {
    for (const file of this.#open.values()) this.#try(file.path, () => file.close());
    this.#open.clear();
    this.#chains.clear();
  }

  #readChain(chain: Chain): boolean {
    for (const file of [...chain.files]) {
      const more = this.#try(file.path, () => {
        if (!this.#isSame(chain, file)) return true;
        return file.read(this.#options.readBytes);
      });
      if (more === true) return true;
      // The rest of a rotated file comes before the next one's first line.
      if (more === null || !file.atEnd) return false;
    }
    return false;
  }

  // -------------------------------------------------------------- which file is which

  #begin(path: string, place: string): void {
    const stat = this.#stat(path);
    if (stat !== null && this.#open.has(keyOf(stat))) return;
    if (stat !== null && this.#isCopyOfAnother(path, place, stat)) return;
    const chain: Chain = { path, place, files: [], current: null };
    this.#resumeRotated(chain, stat === null ? "" : keyOf(stat));
    if (stat !== null) this.#openCurrent(chain, stat);
    if (chain.files.length > 0) this.#chains.set(path, chain);
  }

  /**
   * A pattern that meets rotated names too (`app.log*`) meets the copy that `copytruncate` makes,
   * before the log itself is truncated. It is not begun while it may be one: then the truncation
   * tells; where none comes, it is a copy of what was read, or a file of its own.
   */
  #isCopyOfAnother(path: string, place: string, stat: FileStat): boolean {
    if (this.#known.has(keyOf(stat))) return false;
    const original = [...this.#chains.values()].find(
      (chain) =>
        chain.current !== null &&
        dirname(chain.place) === dirname(place) &&
        isRotatedName(basename(place), chain.place),
    )?.current;
    if (original === undefined || original === null) return false;
    const handle = this.#openFile(path, stat);
    if (handle === null) return true;
    const file = original;
    const verdict = this.#try(path, () => {
      const { keepRotatedMs } = this.#options;
      if (!file.beginsLike(handle)) return "own";
      const sinceMs = this.#copies.get(path) ?? this.#host.now();
      this.#copies.set(path, sinceMs);
      if (this.#host.now() - sinceMs < keepRotatedMs) return "wait";
      if (!file.isCopiedBy(handle)) return "own";
      this.#knowAsRead(path, { path: place, stat: handle.stat() }, handle);
      return "copy";
    });
    handle.close();
    if (verdict !== "wait") this.#copies.delete(path);
    return verdict !== "own";
  }

  #knowAsRead(path: string, { stat }: Sibling, handle: OpenFile): void {
    const entry = readEntry(newEntry(path, stat, 0), handle, stat.sizeBytes);
    this.#known.set(keyOf(stat), entry);
  }

  /** What was rotated away while nobody looked. */
  #resumeRotated(chain: Chain, currentKey: string): void {
    const isCurrent = (entry: Entry): boolean => keyOf(entry) === currentKey;
    const known = [...this.#known.values()].filter(
      (entry) => entry.path === chain.path && !this.#open.has(keyOf(entry)),
    );
    const olds = known.filter((entry) => !isCurrent(entry));
    if (olds.length === 0) {
      if (!this.#known.has(currentKey)) this.#addUnseen(chain, this.#sinceMs);
      return;
    }
    const siblings = siblingsOf(this.#files, chain.place);
    const sinceMs = Math.max(...olds.map((entry) => entry.modifiedMs));
    for (const entry of olds.sort((one, other) => one.generation - other.generation)) {
      const found =
        findRenamed(this.#files, siblings, entry) ??
        findCopy(this.#files, siblings, entry, this.#isTaken) ??
        findCompressed(this.#files, chain.place, entry, this.#isTaken);
      if (found === null) {
        this.#known.delete(keyOf(entry));
        continue;
      }
      const { device, inode } = found.stat;
      if (found.stat.sizeBytes === entry.offset) found.handle.close();
      else {
        this.#known.delete(keyOf(entry));
        this.#add(chain, new TailedFile(this.#host, found.handle, { ...entry, device, inode }));
      }
    }
    chain.files.sort((one, other) => one.modifiedMs - other.modifiedMs);
    this.#addUnseen(chain, sinceMs);
  }

  /**
   * Rotated twice between two looks: the file in the middle never had the path while we looked. Its
   * name tells what it is, its age that it is no older than what we had read.
   */
  #addUnseen(chain: Chain, sinceMs: number): void {
    const unseen = siblingsOf(this.#files, chain.place)
      .filter(({ path, stat }) => {
        if (!isRotatedName(basename(path), chain.place) || this.#open.has(keyOf(stat))) return false;
        return stat.modifiedMs >= sinceMs;
      })
      .sort(byAge);
    for (const { path, stat } of unseen) {
      const handle = this.#openBeside(path, stat);
      if (handle === null) continue;
      if (this.#try(path, () => this.#isTaken(keyOf(stat), handle)) !== false) {
        handle.close();
        continue;
      }
      this.#copies.delete(path);
      this.#add(chain, new TailedFile(this.#host, handle, newEntry(chain.path, stat, 0)));
    }
  }

  #openCurrent(chain: Chain, stat: FileStat): void {
    if (this.#open.has(keyOf(stat)) || !this.#hasRoom(chain.path)) return;
    const handle = this.#openFile(chain.path, stat);
    if (handle === null) return;
    const entry = this.#known.get(keyOf(stat));
    const same = entry === undefined || matches(handle, entry);
    if (!same) this.#resumeCopy(chain, entry, null);
    const generation = (entry?.generation ?? -1) + 1;
    const next =
      this.#fromEnd && entry === undefined
        ? endEntry(chain.path, handle, generation, this.#host.bounds.maxLineBytes)
        : newEntry(chain.path, stat, generation);
    const start = entry !== undefined && same ? { ...entry, path: chain.path } : next;
    this.#known.delete(keyOf(stat));
    chain.current = new TailedFile(this.#host, handle, start);
    this.#add(chain, chain.current);
  }

  #followPath(chain: Chain): void {
    const current = chain.current!;
    const stat = this.#stat(chain.path);
    if (stat === null) {
      current.leftAtMs ??= this.#host.now();
      return;
    }
    if (keyOf(stat) === current.key) {
      current.leftAtMs = null;
      return;
    }
    current.leftAtMs ??= this.#host.now();
    // The next look finds the new one again, when one of the open ones has been let go.
    if (!this.#hasRoom(chain.path)) return;
    chain.current = null;
    this.#addUnseen(chain, current.modifiedMs);
    this.#tryCurrent(chain);
  }

  /** Where it cannot be opened now, the next look tries again. */
  #tryCurrent(chain: Chain): void {
    const stat = this.#stat(chain.path);
    if (stat !== null) this.#openCurrent(chain, stat);
  }

  /** False where the chain has others to read first. */
  #isSame(chain: Chain, file: TailedFile): boolean {
    const { isBlank, modifiedMs } = file;
    if (!file.isSame()) {
      this.#beganAnew(chain, file);
      return false;
    }
    if (!isBlank || (file.isBlank && file.modifiedMs === modifiedMs)) return true;
    // Empty when we looked, changed since: what was in it may have been copied away and truncated.
    const before = chain.files.length;
    this.#addUnseen(chain, modifiedMs);
    return !this.#insertBefore(chain, file, chain.files.length - before);
  }

  /** Moves the newest of the chain, so many, before the file: their lines are older. */
  #insertBefore(chain: Chain, file: TailedFile, count: number): boolean {
    if (count === 0) return false;
    const older = chain.files.splice(-count);
    chain.files.splice(chain.files.indexOf(file), 0, ...older);
    return true;
  }

  /** Truncated or written over, under the same inode. */
  #beganAnew(chain: Chain, file: TailedFile): void {
    this.#host.counts.truncated += 1;
    const before = chain.files.length;
    const copied = this.#resumeCopy(chain, file.readEntry(), file);
    // A copy holds the unfinished line too; without one it is what is left of it.
    if (!copied) file.finish();
    const older = chain.files.length - before;
    const next = new TailedFile(
      this.#host,
      file.takeHandle(),
      newEntry(chain.path, file, file.generation + 1),
    );
    next.leftAtMs = file.leftAtMs;
    chain.files.splice(chain.files.indexOf(file), 1, next);
    this.#insertBefore(chain, next, older);
    this.#open.set(next.key, next);
    if (chain.current === file) chain.current = next;
  }

  /** True where a copy was found of what the entry had. Copies of what came after it follow. */
  #resumeCopy(chain: Chain, entry: Entry, read: TailedFile | null): boolean {
    const siblings = siblingsOf(this.#files, chain.place);
    const isTaken = this.#isTaken;
    let copy = findCopy(this.#files, siblings, entry, isTaken);
    if (copy === null && read !== null) {
      const isCopy = (handle: OpenFile): boolean => read.holdsAllOf(handle);
      const older = siblings.filter(({ path }) => isRotatedName(basename(path), chain.place));
      const prefix = findPrefixCopy(this.#files, older, isCopy, isTaken);
      if (prefix !== null) {
        this.#knowAsRead(chain.path, prefix, prefix.handle);
        prefix.handle.close();
        this.#addUnseen(chain, prefix.stat.modifiedMs);
        return false;
      }
    }
    copy ??= findCompressed(this.#files, chain.place, entry, isTaken);
    if (copy !== null) {
      const { device, inode } = copy.stat;
      this.#add(chain, new TailedFile(this.#host, copy.handle, { ...entry, device, inode }));
    }
    this.#addUnseen(chain, copy?.stat.modifiedMs ?? entry.modifiedMs);
    return copy !== null;
  }

  #add(chain: Chain, file: TailedFile): void {
    if (file !== chain.current) file.leftAtMs = this.#host.now();
    chain.files.push(file);
    this.#open.set(file.key, file);
  }

  /** Lets go of files that have no path and no news, once all of them is acknowledged. */
  #release(chain: Chain): void {
    const { keepRotatedMs } = this.#options;
    for (const file of [...chain.files]) {
      const left = file.leftAtMs;
      if (left === null || !file.atEnd || this.#host.now() - left < keepRotatedMs) continue;
      if (file.quietForMs() < keepRotatedMs) continue;
      file.finish();
      if (!file.isSettled) continue;
      this.#try(file.path, () => file.close());
      this.#open.delete(file.key);
      this.#known.set(file.key, file.entry());
      if (this.#known.size > MAX_ENTRIES) this.#known.delete(this.#known.keys().next().value!);
      chain.files.splice(chain.files.indexOf(file), 1);
      if (chain.current === file) chain.current = null;
    }
  }

  // -------------------------------------------------------------- small questions

  /** A system gives the inode of a removed file to the next one: what is known of it is then old. */
  #isTaken = (key: string, handle: OpenFile): boolean => {
    if (this.#open.has(key)) return true;
    const entry = this.#known.get(key);
    if (entry === undefined) return false;
    const wasBlank = entry.head.length === 0;
    if (wasBlank ? handle.stat().sizeBytes === 0 : matches(handle, entry)) return true;
    this.#known.delete(key);
    return false;
  };

  #hasRoom(path: string): boolean {
    if (this.#open.size < this.#options.maxFiles) return true;
    const { maxFiles } = this.#options;
    this.#once(`room`, `${path} waits: ${maxFiles} files are open, the most that maxFiles allows`);
    return false;
  }

  /** Null also for what may not be opened: a log that became a link out of its folder. */
  #stat(path: string): FileStat | null {
    if (!this.#places.has(path)) return null;
    const stat = this.#try(path, () => this.#files.stat(path));
    return stat?.kind === "file" ? stat : null;
  }

  #openFile(path: string, stat: FileStat): OpenFile | null {
    const place = this.#places.get(path);
    return place === undefined ? null : this.#openChecked(path, place, stat);
  }

  /** A rotated file: no link, as `siblingsOf` found it. */
  #openBeside(path: string, stat: FileStat): OpenFile | null {
    return this.#openChecked(path, null, stat);
  }

  #openChecked(path: string, place: string | null, stat: FileStat): OpenFile | null {
    return this.#try(path, () => {
      const handle = this.#files.open(path, "read");
      const isThere = place === null || this.#files.realPath(path) === place;
      if (isThere && keyOf(handle.stat()) === keyOf(stat)) return handle;
      // Moved between the look and the opening: the next look sees how it stands.
      handle.close();
      return null;
    });
  }

  /** Null where the disk refuses, which is said once a path. */
  #try<T>(path: string, run: () => T): T | null {
    try {
      const value = run();
      this.#said.delete(path);
      return value;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#host.counts.readFailures += 1;
      if (error.code !== "not-found") this.#once(path, error.message);
      return null;
    }
  }

  #once(key: string, text: string): void {
    if (this.#said.has(key)) return;
    if (this.#said.size >= MAX_SAID) this.#said.clear();
    this.#said.add(key);
    this.#report(text);
  }
}
