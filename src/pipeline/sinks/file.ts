import { dirname, resolve } from "node:path";
import type { Event } from "../../api/event.ts";
import type { Timer } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import { choice, duration, integer, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Sink, SinkContext, SinkDefinition } from "../component.ts";
import { eventJson } from "../event_json.ts";
import { LineFile } from "../rotate/line_file.ts";
import { OldFiles } from "../rotate/old_files.ts";
import { pathProblem, pathTemplate } from "../rotate/path_template.ts";
import type { PathTemplate } from "../rotate/path_template.ts";

const config = object({
  path: text({ maxLength: 1000, check: pathProblem, expected: 'a path such as "out/app.jsonl"' })
    .about(
      "`{{hour}}`, `{{day}}` or `{{month}}` in the file's name is when the event was read, in UTC." +
        " A relative path is below the folder of the Pipeline file; folders are made.",
    )
    .example("out/app-{{day}}.jsonl"),
  format: choice(["json", "text"])
    .about("Each event as JSON, or its `message` alone; a newline in that is written as `\\n`.")
    .default("json"),
  rotate: object({
    maxBytes: size({ min: "1KiB", max: "1TiB" })
      .about("No file is longer, unless a single event is.")
      .default("100MiB"),
    maxAge: duration({ min: "1s", max: "366d" })
      .about("Counted from midnight, UTC: `1h` begins a file with each hour, also after a restart.")
      .optional(),
    keep: integer({ min: 0, max: 10_000 })
      .about("So many files that are done; older ones are removed.")
      .default(10),
    compress: choice(["none", "gzip"]).about("Of files that are done.").default("none"),
  })
    .about("A file that is done gets the time behind its name: `app.jsonl.20261121T150405Z`.")
    .default({}),
  mode: text({ pattern: /^0?[0-7]{3}$/, expected: 'permission bits such as "0640"' })
    .about("Of new files.")
    .default("0600"),
  fsync: choice(["each", "interval", "never"])
    .about(
      "`each`: an event counts as delivered when the disk has it. `interval`: each second; a power" +
        " cut loses at most that. A killed process loses nothing with any of them.",
    )
    .default("interval"),
});

type Config = Infer<typeof config>;

/** One write holds at most so much. */
const MAX_EVENTS = 4096;
const MAX_BYTES = 1024 * 1024;
const RETRY_MS = 1000;
const LOOK_MS = 1000;
/** Around midnight two, where events waited on disk more. */
const MAX_OPEN = 4;

export const file: SinkDefinition<Config> = {
  name: "file",
  summary: "Writes events to a file, one a line, and rotates it by size and age.",
  status: "beta",
  security:
    "Writes where the Pipeline file says, and nothing that an event holds becomes part of a path." +
    " Files have mode 0600 unless told otherwise. A line that a crash left half written is cut off" +
    " before the next one. Old files beyond `keep` are removed: only names that this sink makes.",
  config,
  examples: [
    {
      title: "JSON lines",
      config: { path: "/out/app.jsonl" },
      lines: ["one", 'say "two"'],
      files: { "/out/app.jsonl": '{"message":"one"}\n{"message":"say \\"two\\""}\n' },
    },
    {
      title: "A file a day, the messages as they came",
      config: { path: "/out/app-{{day}}.log", format: "text", rotate: { keep: 30 } },
      lines: ["one", "two"],
      files: { "/out/app-2026-01-01.log": "one\ntwo\n" },
    },
  ],
  create: (settings, context) => new FileSink(settings, context),
};

class FileSink implements Sink {
  #settings: Config;
  #context: SinkContext;
  #template: PathTemplate;
  #old: OldFiles;
  #mode: number;
  /** By path, the last used one last. */
  #open = new Map<string, LineFile>();
  /** Taken and not written, in their order. */
  #taken: Event[] = [];
  #retry: Timer | null = null;
  #syncing: Timer;
  #said = "";
  #closed = false;

  constructor(settings: Config, context: SinkContext) {
    const { world, folder, report, count } = context;
    this.#settings = settings;
    this.#context = context;
    this.#mode = Number.parseInt(settings.mode, 8);
    this.#template = pathTemplate(resolve(folder, settings.path));
    const { keep, compress } = settings.rotate;
    const options = { keep, gzip: compress === "gzip", mode: this.#mode };
    const isOpen = (path: string): boolean => this.#isCurrent(path);
    this.#old = new OldFiles(world, this.#template, options, isOpen, report, count);
    this.#syncing = world.clock.every(LOOK_MS, () => this.#look());
  }

  wake(): void {
    if (this.#closed || this.#retry !== null) return;
    try {
      for (;;) {
        if (this.#taken.length === 0) {
          this.#taken = this.#context.queue.take(MAX_EVENTS, MAX_BYTES);
        }
        if (this.#taken.length === 0) return;
        while (this.#taken.length > 0) this.#writeSome();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  drain(): void {
    this.wake();
  }

  close(): void {
    this.#sync();
    this.#closed = true;
    this.#syncing.cancel();
    this.#retry?.cancel();
    this.#old.close();
    for (const path of [...this.#open.keys()]) this.#closeFile(path);
  }

  /** Those of the first events that go to one file together. @throws FileError */
  #writeSome(): void {
    const [first] = this.#taken;
    const path = this.#pathOf(first!);
    const target = this.#fileAt(path);
    const { maxBytes } = this.#settings.rotate;
    const room = maxBytes - target.sizeBytes;
    const lines: Buffer[] = [];
    let bytes = 0;
    for (const event of this.#taken) {
      if (this.#pathOf(event) !== path) break;
      const line = this.#line(event);
      if (bytes + line.length > room && (bytes > 0 || target.sizeBytes > 0)) break;
      bytes += line.length;
      lines.push(line);
    }
    if (lines.length === 0) return this.#rotate(target);
    try {
      target.append(Buffer.concat(lines), this.#settings.fsync === "each");
    } catch (error) {
      this.#closeFile(path);
      throw error;
    }
    const written = this.#taken.splice(0, lines.length);
    this.#recovered();
    this.#context.queue.delivered(written);
  }

  #pathOf(event: Event): string {
    return this.#template.pathAt(event.origin.receivedMs);
  }

  #line(event: Event): Buffer {
    if (this.#settings.format === "json") return Buffer.from(`${eventJson(event)}\n`);
    const { fields, origin, start, end } = event;
    const bytes = fields === null ? origin.chunk.subarray(start, end) : null;
    if (bytes !== null && !bytes.includes(10)) return Buffer.concat([bytes, NEWLINE]);
    const message = fields === null ? event.text() : fields["message"];
    const written = typeof message === "string" ? message : eventJson(event);
    return Buffer.from(`${written.replace(/\r?\n/g, "\\n")}\n`);
  }

  /** Open, and not moved away or too old. @throws FileError */
  #fileAt(path: string): LineFile {
    const known = this.#open.get(path);
    if (known !== undefined) {
      if (!known.isMoved) {
        if (!this.#isTooOld(known)) return known;
        this.#rotate(known);
      } else {
        this.#context.count("moved_files");
        this.#closeFile(path);
      }
    }
    return this.#openFile(path);
  }

  /** @throws FileError */
  #openFile(path: string): LineFile {
    const { world, count, report } = this.#context;
    // Whoever may read a file may look into its folder.
    const folderMode = this.#mode | 0o300 | ((this.#mode & 0o444) >> 2);
    world.files.makeFolder(dirname(path), { mode: folderMode });
    const opened = new LineFile(world, path, this.#mode);
    if (opened.repaired !== "no") {
      count("torn_lines");
      const what = opened.repaired === "cut" ? "cut off, it comes again" : "ended";
      report(`${path}: its last line was not whole; ${what}`);
    }
    this.#open.set(path, opened);
    if (this.#isTooOld(opened)) {
      this.#rotate(opened);
      return this.#openFile(path);
    }
    for (const other of [...this.#open.keys()].slice(0, -MAX_OPEN)) this.#closeFile(other);
    this.#old.look();
    return opened;
  }

  #isTooOld({ sinceMs, sizeBytes }: LineFile): boolean {
    const { maxAge } = this.#settings.rotate;
    if (maxAge === undefined || sizeBytes === 0) return false;
    const now = this.#context.world.clock.wallMs();
    return Math.floor(now / maxAge) > Math.floor(sinceMs / maxAge);
  }

  /** @throws FileError */
  #rotate(target: LineFile): void {
    const { path } = target;
    this.#closeFile(path);
    this.#old.retire(path);
    this.#context.count("rotations");
    this.#old.look();
  }

  /** Written now, or to be written next: not one of the old files. */
  #isCurrent(path: string): boolean {
    return this.#open.has(path) || this.#isNow(path);
  }

  #closeFile(path: string): void {
    const opened = this.#open.get(path);
    this.#open.delete(path);
    if (opened === undefined) return;
    this.#syncOne(opened);
    opened.close();
  }

  #sync(): void {
    for (const opened of this.#open.values()) this.#syncOne(opened);
  }

  /** Each second. */
  #look(): void {
    this.#sync();
    // Its hour or day is over.
    const past = [...this.#open.keys()].filter((path) => !this.#isNow(path));
    for (const path of past) this.#closeFile(path);
    if (past.length > 0) this.#old.look();
  }

  #isNow(path: string): boolean {
    return path === this.#template.pathAt(this.#context.world.clock.wallMs());
  }

  #syncOne(opened: LineFile): void {
    if (this.#settings.fsync === "never" || !opened.isDirty) return;
    try {
      opened.sync();
    } catch (error) {
      this.#say(error);
    }
  }

  #failed(error: unknown): void {
    this.#say(error);
    this.#retry = this.#context.world.clock.after(RETRY_MS, () => {
      this.#retry = null;
      this.wake();
    });
  }

  #say(error: unknown): void {
    if (!(error instanceof FileError)) throw error;
    this.#context.count("write_failures");
    if (this.#said === error.code) return;
    this.#said = error.code;
    this.#context.report(`${error.message}; tried again every second, nothing is given up`);
  }

  #recovered(): void {
    if (this.#said !== "") this.#context.report(`${this.#settings.path} takes events again`);
    this.#said = "";
  }
}

const NEWLINE = Buffer.from("\n");
