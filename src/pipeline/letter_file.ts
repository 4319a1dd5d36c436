/**
 * The file of dead letters as a person works with it: listed, shown, edited, dropped, sent again.
 * While a pipeline runs only its own process may do that (it appends to the file).
 */
import { join } from "node:path";
import type { Fields } from "../api/event.ts";
import { Failure } from "../base/failure.ts";
import { sha256Hex } from "../base/hash.ts";
import type { Files } from "../base/world.ts";
import { FileError } from "../base/world.ts";

export interface Letter {
  /** Of its line: another for the same event that failed again. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  /** The sink's name, or the step's (`steps.0.parse`). */
  readonly where: string;
  readonly reason: string;
  readonly source: string;
  readonly stream: string;
  readonly offset: number;
  readonly event: Fields;
}

/** What is done with letters: some by their ids, or all of those that `where` picks. */
export interface LetterChoice {
  readonly ids: readonly string[];
  readonly where: string | null;
}

const ID_DIGITS = 10;

export function lettersPath(pipelineFolder: string): string {
  return join(pipelineFolder, "dead-letters.jsonl");
}

/** Letters that were taken out to be sent again, one file for each time. */
export function replayFolder(pipelineFolder: string): string {
  return join(pipelineFolder, "replay");
}

/** In the order in which they came; a line that is no letter is left out. @throws FileError */
export function readLetters(files: Files, path: string): readonly Letter[] {
  return linesOf(files, path).flatMap((line) => letterOf(line) ?? []);
}

/** Null for a line that is none. */
export function letterOf(line: string): Letter | null {
  try {
    const { at, where, reason, source, stream, offset, event } = JSON.parse(line) as Letter;
    if (typeof event !== "object" || typeof where !== "string") return null;
    const id = sha256Hex(line).slice(0, ID_DIGITS);
    return { id, at, where, reason, source, stream, offset, event };
  } catch {
    return null;
  }
}

/** @throws Failure "input-not-found" for an id that none has, or that several have. */
export function chooseLetters(
  letters: readonly Letter[],
  { ids, where }: LetterChoice,
): readonly Letter[] {
  const chosen = ids.map((id) => {
    const found = letters.filter((letter) => letter.id.startsWith(id));
    if (found.length === 1) return found[0]!;
    const what = found.length === 0 ? "no dead letter" : `${found.length} dead letters`;
    throw new Failure("input-not-found", `${what} of id ${id}`, "dead-letters list shows the ids");
  });
  if (ids.length > 0) return chosen;
  return letters.filter((letter) => where === null || letter.where === where);
}

/** Removes them. Returns how many. @throws FileError */
export function dropLetters(files: Files, path: string, gone: readonly Letter[]): number {
  const ids = new Set(gone.map(({ id }) => id));
  return rewrite(files, path, (letter) => (ids.has(letter.id) ? null : undefined));
}

/** Puts other fields in one's place. Returns the letter as it is then. @throws FileError */
export function editLetter(files: Files, path: string, letter: Letter, event: Fields): Letter {
  const { at, where, reason, source, stream, offset } = letter;
  const line = JSON.stringify({ at, where, reason, source, stream, offset, event });
  rewrite(files, path, (one) => (one.id === letter.id ? line : undefined));
  return letterOf(line)!;
}

/**
 * Takes them out and puts them where the pipeline picks them up: nothing is in neither place, also
 * after a crash in between (then it is in both, and is sent twice). Returns the new file's path.
 *
 * @throws FileError
 */
export function moveToReplay(
  files: Files,
  folder: string,
  letters: readonly Letter[],
  name: string,
): string {
  const to = replayFolder(folder);
  files.makeFolder(to, { mode: 0o700 });
  const path = join(to, `${name}.jsonl`);
  const lines = letters.map(({ at, where, reason, source, stream, offset, event }) =>
    JSON.stringify({ at, where, reason, source, stream, offset, event }),
  );
  files.replace(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  dropLetters(files, lettersPath(folder), letters);
  return path;
}

/** `change` gives a line to put in a letter's place, null to remove it, undefined to keep it. */
function rewrite(
  files: Files,
  path: string,
  change: (letter: Letter) => string | null | undefined,
): number {
  let changed = 0;
  const kept = linesOf(files, path).flatMap((line) => {
    const letter = letterOf(line);
    const now = letter === null ? undefined : change(letter);
    if (now === undefined) return [line];
    changed += 1;
    return now === null ? [] : [now];
  });
  if (changed > 0) files.replace(path, kept.map((line) => `${line}\n`).join(""), { mode: 0o600 });
  return changed;
}

function linesOf(files: Files, path: string): readonly string[] {
  try {
    return files.readText(path).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof FileError && error.code === "not-found") return [];
    throw error;
  }
}
