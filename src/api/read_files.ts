import { join } from "node:path";
import { Failure } from "../base/failure.ts";
import type { FailureKind } from "../base/failure.ts";
import type { Files, TextInput } from "../base/world.ts";
import { FileError } from "../base/world.ts";
import { MAX_FILE_LENGTH } from "../schema/read_yaml.ts";
import type { Source } from "./document.ts";

/** How problems name what came on standard input. */
export const STDIN_NAME = "stdin";

/** A folder holds at most as many files: more is not a folder of Apps. */
const MAX_FILES = 10_000;
const MAX_FOLDER_DEPTH = 16;
/** So many bytes are more than MAX_FILE_LENGTH units, whatever the characters are. */
const MAX_BYTES = MAX_FILE_LENGTH * 3 + 4;

/**
 * Reads arguments FILE, DIR or `-` (standard input). A folder gives its .yaml, .yml and .json files
 * by name, then those of its folders; hidden ones and node_modules are left out, and so are JSON
 * files without an apiVersion (package.json). A file that is named twice is read once. A file that
 * is too large is cut behind the limit that `loadDocuments` then reports.
 *
 * @throws Failure `usage`, `input-not-found` or `permission`.
 */
export async function readFiles(
  files: Files,
  stdin: TextInput,
  words: readonly string[],
): Promise<readonly Source[]> {
  if (words.length === 0) {
    throw new Failure(
      "usage",
      "no file is given",
      "name files or folders, or - for standard input",
    );
  }
  const reader = new Reader(files);
  for (const word of words) {
    if (word === "-") {
      if (reader.sources.some((source) => source.file === STDIN_NAME)) continue;
      reader.sources.push({ file: STDIN_NAME, text: await stdin.readAll() });
    } else reader.read(word);
  }
  return reader.sources;
}

class Reader {
  readonly sources: Source[] = [];
  readonly #seen = new Set<string>();

  constructor(private readonly files: Files) {}

  read(path: string): void {
    const stat = guarded(path, () => this.files.stat(path));
    if (stat === null) {
      throw new Failure("input-not-found", `${path}: there is no such file or folder`);
    }
    if (stat.kind === "file") this.#file(path);
    else if (stat.kind === "folder") {
      const before = this.sources.length;
      const known = this.#seen.size;
      this.#folder(path, 0);
      if (this.sources.length === before && this.#seen.size === known) {
        const advice = "outrigger init writes a first one";
        throw new Failure("input-not-found", `${path}: no .yaml, .yml or .json file in it`, advice);
      }
    } else {
      const advice = `give it on standard input: ... - < ${path}`;
      throw new Failure("usage", `${path}: neither a file nor a folder`, advice);
    }
  }

  #folder(path: string, depth: number): void {
    if (depth > MAX_FOLDER_DEPTH) return;
    const folders: string[] = [];
    for (const name of guarded(path, () => this.files.list(path))) {
      if (name.startsWith(".") || name === "node_modules") continue;
      const inside = join(path, name);
      const stat = guarded(inside, () => this.files.stat(inside));
      if (stat?.kind === "folder") folders.push(inside);
      else if (stat?.kind === "file" && /\.(?:yaml|yml|json)$/.test(name)) {
        this.#file(inside, name.endsWith(".json"));
      }
    }
    for (const folder of folders) this.#folder(folder, depth + 1);
  }

  #file(path: string, onlyWithVersion = false): void {
    const real = guarded(path, () => this.files.realPath(path));
    if (this.#seen.has(real)) return;
    const text = guarded(path, () => this.#text(path));
    if (onlyWithVersion && !text.includes('"apiVersion"')) return;
    this.#seen.add(real);
    if (this.#seen.size > MAX_FILES) {
      throw new Failure("usage", `more than ${MAX_FILES} files`, "give fewer at once");
    }
    this.sources.push({ file: path, text });
  }

  #text(path: string): string {
    const file = this.files.open(path, "read");
    try {
      const size = Math.min(file.stat().sizeBytes, MAX_BYTES);
      const bytes = new Uint8Array(size);
      let length = 0;
      while (length < size) {
        const count = file.readAt(bytes, length, size - length, length);
        if (count === 0) break;
        length += count;
      }
      // What is not UTF-8 becomes U+FFFD, which `readYaml` reports with its line.
      return new TextDecoder().decode(bytes.subarray(0, length));
    } finally {
      file.close();
    }
  }
}

const FAILURES: Partial<Record<FileError["code"], FailureKind>> = {
  "not-found": "input-not-found",
  "not-a-folder": "input-not-found",
  permission: "permission",
};

/** A file's error as a failure that names the path. */
function guarded<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const kind = FAILURES[error.code] ?? "input-not-found";
    const advice = kind === "permission" ? "make it readable, or run as another user" : undefined;
    throw new Failure(kind, `${path}: cannot be read (${error.message})`, advice);
  }
}
