import type { OpenFile, World } from "../base/world.ts";
import { LineSplitter } from "../base/lines.ts";

export interface LogLine {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly label: string;
  readonly text: string;
}

export interface LogFile {
  readonly label: string;
  readonly path: string;
}

const CHUNK = 65_536;
const POLL_MS = 250;

/** The last lines of all files together, the oldest first; `path` and its rotated `path.1`. */
export function lastLines(
  world: World,
  files: readonly LogFile[],
  most: number,
): readonly LogLine[] {
  const lines: LogLine[] = [];
  for (const { label, path } of files) {
    for (const one of [`${path}.1`, path]) {
      if (world.files.stat(one) === null) continue;
      const tail = new LogTail(world, one, label, 0);
      // Bounded: what is longer than asked for is let go while reading.
      const own: LogLine[] = [];
      tail.read((line) => {
        own.push(line);
        if (own.length > 2 * most) own.splice(0, own.length - most);
      });
      tail.close();
      lines.push(...own.slice(-most));
    }
  }
  return lines
    .map((line, at) => ({ line, at }))
    .sort((a, b) => a.line.time.localeCompare(b.line.time) || a.at - b.at)
    .map(({ line }) => line)
    .slice(-most);
}

/** Calls `line` with each new line, across rotation, until `stop` is called. */
export function followLogs(
  world: World,
  files: readonly LogFile[],
  line: (line: LogLine) => void,
): () => void {
  const tails = new Map<string, LogTail>();
  for (const { label, path } of files) {
    const size = world.files.stat(path)?.sizeBytes;
    if (size !== undefined) tails.set(path, new LogTail(world, path, label, size));
  }
  const timer = world.clock.every(POLL_MS, () => {
    for (const { label, path } of files) {
      const tail = tails.get(path);
      tail?.read(line);
      const inode = world.files.stat(path)?.inode;
      if (inode === undefined || inode === tail?.inode) continue;
      tail?.close();
      const next = new LogTail(world, path, label, 0);
      tails.set(path, next);
      next.read(line);
    }
  });
  return () => {
    timer.cancel();
    for (const tail of tails.values()) tail.close();
  };
}

class LogTail {
  readonly inode: number;
  #file: OpenFile;
  #position: number;
  #buffer = new Uint8Array(CHUNK);
  #splitter: LineSplitter;
  #line: (line: LogLine) => void = () => {};

  constructor(world: World, path: string, label: string, from: number) {
    this.#file = world.files.open(path, "read");
    this.#position = from;
    this.inode = this.#file.stat().inode;
    this.#splitter = new LineSplitter((text) => {
      const space = text.indexOf(" ");
      this.#line({ label, time: text.slice(0, space), text: text.slice(space + 1) });
    });
  }

  read(line: (line: LogLine) => void): void {
    this.#line = line;
    for (;;) {
      const length = this.#file.readAt(this.#buffer, 0, CHUNK, this.#position);
      if (length === 0) return;
      this.#position += length;
      this.#splitter.push(this.#buffer.slice(0, length));
    }
  }

  close(): void {
    this.#file.close();
  }
}
