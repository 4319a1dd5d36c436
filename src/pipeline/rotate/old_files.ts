import { basename, dirname, join } from "node:path";
import { gzip } from "../../base/gzip.ts";
import type { OpenFile, Timer, World } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import type { Count, Report } from "../component.ts";
import type { PathTemplate } from "./path_template.ts";
import { STAMP, stampAt } from "./path_template.ts";

export interface OldFilesOptions {
  /** Of those that are done; the one that is written does not count. */
  readonly keep: number;
  readonly gzip: boolean;
  readonly mode: number;
}

/** A turn of the loop packs so much, so that events go on. */
const PIECE_BYTES = 1024 * 1024;

/** Files that are done: the oldest are removed, the others packed where that is wanted. */
export class OldFiles {
  #world: World;
  #template: PathTemplate;
  #options: OldFilesOptions;
  /** Paths that are written at the moment. */
  #isOpen: (path: string) => boolean;
  #report: Report;
  #count: Count;
  #packing: Packing | null = null;
  #turn: Timer | null = null;
  #said = "";
  /** Names that were given last: a removed one is not given again. */
  #last = { stamp: "", n: 0 };

  constructor(
    world: World,
    template: PathTemplate,
    options: OldFilesOptions,
    isOpen: (path: string) => boolean,
    report: Report,
    count: Count,
  ) {
    this.#world = world;
    this.#template = template;
    this.#options = options;
    this.#isOpen = isOpen;
    this.#report = report;
    this.#count = count;
  }

  /** The file gets its name for good. @throws FileError */
  retire(path: string): void {
    this.#world.files.rename(path, this.#stamped(path));
  }

  /** Removes what is too old, and packs the rest, in pieces. Call it whenever a file is done. */
  look(): void {
    try {
      for (const path of this.#done().slice(0, -this.#options.keep || undefined)) {
        if (path === this.#packing?.path) this.#endPacking();
        this.#world.files.remove(path);
        this.#count("removed_files");
      }
      this.#said = "";
    } catch (error) {
      this.#failed(error);
    }
    if (this.#options.gzip) this.#turn ??= this.#world.clock.after(0, () => this.#pack());
  }

  close(): void {
    this.#turn?.cancel();
    this.#turn = null;
    this.#endPacking();
  }

  /** From old to new. */
  #done(): string[] {
    const { folder, keyOf } = this.#template;
    return this.#world.files
      .list(folder)
      .flatMap((name) => {
        const key = keyOf(name);
        const path = join(folder, name);
        return key === null || this.#isOpen(path) ? [] : [{ key, path }];
      })
      .sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
      .map(({ path }) => path);
  }

  /** A name that sorts behind all that this file had before, also in the same second. */
  #stamped(path: string): string {
    const stamp = stampAt(this.#world.clock.wallMs());
    const nth = new RegExp(`^\\.${stamp}(?:-(\\d{3}))?(?:\\.gz)?$`);
    let n = this.#last.stamp === stamp ? this.#last.n + 1 : 0;
    for (const name of this.#world.files.list(dirname(path))) {
      const found = name.startsWith(basename(path)) && nth.exec(name.slice(basename(path).length));
      if (found) n = Math.max(n, Number(found[1] ?? 0) + 1);
    }
    if (n > 999) {
      throw new FileError("exists", path, `${path}: a thousand files were done in one second`);
    }
    this.#last = { stamp, n };
    return `${path}.${stamp}${n === 0 ? "" : `-${String(n).padStart(3, "0")}`}`;
  }

  /** One piece; the file before the pack is there until the pack is whole and on disk. */
  #pack(): void {
    this.#turn = null;
    try {
      this.#packing ??= this.#nextToPack();
      if (this.#packing === null) return;
      if (this.#packing.step()) {
        this.#packing = null;
        this.#count("packed_files");
      }
    } catch (error) {
      this.#endPacking();
      // Tried again when the next file is done.
      return this.#failed(error);
    }
    this.#turn = this.#world.clock.after(0, () => this.#pack());
  }

  #nextToPack(): Packing | null {
    const path = this.#done().find((one) => !one.endsWith(".gz"));
    if (path === undefined) return null;
    // Without a stamp a later file of the same name would overwrite the pack.
    const isStamped = new RegExp(`\\.${STAMP.source}$`).test(basename(path));
    const name = isStamped ? path : this.#stamped(path);
    if (!isStamped) this.#world.files.rename(path, name);
    return new Packing(this.#world, name, this.#options.mode);
  }

  #endPacking(): void {
    this.#packing?.close();
    this.#packing = null;
  }

  #failed(error: unknown): void {
    if (!(error instanceof FileError)) throw error;
    this.#count("old_file_failures");
    if (this.#said !== error.message) this.#report(`old files stay as they are: ${error.message}`);
    this.#said = error.message;
  }
}

/** One file on its way to `.gz`: a member a piece, which together are one gzip file (RFC 1952). */
class Packing {
  #world: World;
  #from: OpenFile;
  #to: OpenFile;
  #atBytes = 0;

  /** @throws FileError */
  constructor(
    world: World,
    readonly path: string,
    mode: number,
  ) {
    this.#world = world;
    this.#from = world.files.open(path, "read");
    this.#to = world.files.open(this.#part, "write", { mode });
  }

  /** True when it is done. @throws FileError */
  step(): boolean {
    const piece = new Uint8Array(PIECE_BYTES);
    const read = this.#from.readAt(piece, 0, piece.length, this.#atBytes);
    this.#atBytes += read;
    if (read > 0) this.#to.write(gzip(piece.subarray(0, read)));
    if (read === piece.length) return false;
    this.#to.sync();
    this.close();
    this.#world.files.rename(this.#part, `${this.path}.gz`);
    this.#world.files.remove(this.path);
    return true;
  }

  close(): void {
    this.#from.close();
    this.#to.close();
  }

  get #part(): string {
    return `${this.path}.part`;
  }
}
