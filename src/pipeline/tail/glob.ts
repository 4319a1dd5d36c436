import { basename, dirname, join } from "node:path";
import type { Files } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";

/** Folders are listed at most this deep below a `**`, and at most as many a pass. */
const MAX_DEPTH = 16;
const MAX_FOLDERS = 10_000;

/**
 * An absolute path whose segments may hold `*` and `?`; the segment `**` is any number of folders.
 * Names that begin with a dot are met only by a pattern that does.
 */
export class Glob {
  /** The folder above the first pattern: what the user declared. Links may not lead out of it. */
  readonly folder: string;
  readonly #segments: readonly (string | RegExp)[];
  readonly #whole: RegExp;

  constructor(readonly pattern: string) {
    const parts = pattern.split("/").filter((part) => part !== "");
    let fixed = parts.findIndex((part) => /[*?]/.test(part));
    if (fixed < 0) fixed = parts.length - 1;
    this.folder = `/${parts.slice(0, fixed).join("/")}`;
    const whole = parts.map((part, i) => {
      if (part !== "**") return `/${segmentSource(part)}`;
      return i === parts.length - 1 ? "/.+" : "(?:/[^/]+)*";
    });
    this.#whole = new RegExp(`^${whole.join("")}$`);
    this.#segments = parts.slice(fixed).map((part) => {
      if (part === "**" || !/[*?]/.test(part)) return part;
      return segmentPattern(part);
    });
  }

  /** Whether a path is one of those that are meant, be it there or not. */
  matches(path: string): boolean {
    return this.#whole.test(path);
  }

  /** Paths that match now. A folder that is not there, or may not be read, holds none. */
  expand(files: Files, unreadable: (folder: string, error: FileError) => void): string[] {
    const found = new Set<string>();
    let folders = 0;
    const list = (folder: string): readonly string[] => {
      folders += 1;
      if (folders > MAX_FOLDERS) return [];
      try {
        return files.list(folder);
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        if (error.code !== "not-a-folder") unreadable(folder, error);
        return [];
      }
    };
    const walk = (folder: string, at: number, depth: number): void => {
      const segment = this.#segments[at]!;
      const last = at === this.#segments.length - 1;
      if (segment === "**") {
        if (!last) walk(folder, at + 1, depth);
        if (depth >= MAX_DEPTH) return;
        for (const name of list(folder)) {
          if (name.startsWith(".")) continue;
          const path = join(folder, name);
          if (last) found.add(path);
          if (isFolder(files, path)) walk(path, at, depth + 1);
        }
      } else if (typeof segment === "string") {
        const path = join(folder, segment);
        if (last) found.add(path);
        else walk(path, at + 1, depth);
      } else {
        for (const name of list(folder)) {
          if (!segment.test(name)) continue;
          const path = join(folder, name);
          if (last) found.add(path);
          else walk(path, at + 1, depth);
        }
      }
    };
    walk(this.folder, 0, 0);
    return [...found];
  }
}

function segmentPattern(segment: string): RegExp {
  return new RegExp(`^${segmentSource(segment)}$`);
}

function segmentSource(segment: string): string {
  const body = segment.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, "[^/]*");
  const dot = segment.startsWith(".") ? "" : "(?!\\.)";
  return `${dot}${body.replaceAll("?", "[^/]")}`;
}

/** Never through a link: `**` would leave the declared folder, or turn in circles. */
function isFolder(files: Files, path: string): boolean {
  try {
    if (files.stat(path)?.kind !== "folder") return false;
    return files.realPath(path) === join(files.realPath(dirname(path)), basename(path));
  } catch {
    return false;
  }
}

const COMPRESSED = /\.(gz|bz2|xz|zst|lz4|zip|Z|br)$/;

/** By its name: its lines were read before it was compressed. */
export function isCompressed(path: string): boolean {
  return COMPRESSED.test(path);
}
