import { dirname, join, resolve } from "node:path";
import type { FileWatcher, Timer } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import { choice, duration, integer, list, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Source, SourceContext, SourceDefinition } from "../component.ts";
import { Checkpoint } from "../tail/checkpoint.ts";
import { FollowedFiles } from "../tail/follow.ts";
import { Glob, isCompressed } from "../tail/glob.ts";
import type { TailCounts } from "../tail/tailed_file.ts";

const config = object({
  include: list(text(), { min: 1, max: 100 })
    .about(
      "Files to follow: paths or patterns with `*`, `?` and `**`. A relative one is below the" +
        " folder in which the program was started. One that is not there yet is waited for.",
    )
    .example(["/var/log/app/*.log"]),
  checkpoint: text()
    .about("File that keeps how far each file was acknowledged. In the state folder if not given.")
    .example("state/orders.json")
    .optional(),
  checkpointInterval: duration({ min: "10ms", max: "1h" })
    .about("After a kill, lines since the last checkpoint come twice.")
    .default("1s"),
  pollInterval: duration({ min: "10ms", max: "1h" })
    .about("How often files and folders are looked at where the system gives no hint of a change.")
    .default("1s"),
  maxLineBytes: size({ min: "64B", max: "1MiB" })
    .about("Bound of one line; an unfinished line is held in memory up to it.")
    .default("64KiB"),
  longLines: choice(["split", "cut"])
    .about("A line above the bound goes on as several events, or its rest is passed over.")
    .default("split"),
  keepRotated: duration({ min: "100ms", max: "1h" })
    .about(
      "A rotated or deleted file stays open until nothing was written to it for so long; then its" +
        " last line counts also without a newline.",
    )
    .default("10s"),
  maxFiles: integer({ min: 1, max: 100_000 })
    .about("Files open at once; others wait.")
    .default(1000),
});

type Config = Infer<typeof config>;

/** One turn reads at most as much of one file, so that none starves the loop or the others. */
const TURN_BYTES = 1024 * 1024;
/** A hint waits as long for others: a busy log gives one for each line. */
const HINT_MS = 10;
/** Hints make us look at the folders again, at most this often. */
const REFRESH_MS = 250;

/** Texts that are remembered so as not to be said twice. */
const MAX_SAID = 10_000;

export const file: SourceDefinition<Config> = {
  name: "file",
  summary: "Follows log files across every kind of rotation, each line an event.",
  status: "beta",
  security:
    "Reads regular files only, and follows no link out of the folder that stands before the first" +
    " pattern. Opens at most maxFiles. The checkpoint has mode 0600.",
  config,
  examples: [
    {
      title: "All logs of a folder",
      config: { include: ["/logs/*.log"] },
      files: {
        "/logs/a.log": "one\ntwo\n",
        "/logs/b.log": "three\nunfinished",
        "/logs/c.txt": "no\n",
      },
      messages: ["one", "two", "three"],
    },
  ],
  create: (settings, context) => new FileSource(settings, context),
};

class FileSource implements Source {
  #context: SourceContext;
  #config: Config;
  #globs: readonly Glob[];
  #checkpoint: Checkpoint;
  #files: FollowedFiles;
  #counts: TailCounts = { empty: 0, long: 0, truncated: 0, readFailures: 0 };
  #told: TailCounts = { empty: 0, long: 0, truncated: 0, readFailures: 0 };
  #timers: Timer[] = [];
  #soon: Timer | null = null;
  #soonAtMs = 0;
  #refreshTimer: Timer | null = null;
  #watchers = new Map<string, FileWatcher | null>();
  #refreshedAtMs = -Infinity;
  #said = new Set<string>();
  /** The first look, which alone has to find what was rotated while nobody looked. */
  #refreshed = false;
  #stopped = false;
  #checkpointFails = false;

  constructor(settings: Config, context: SourceContext) {
    const { world, name, stateFolder } = context;
    this.#context = context;
    this.#config = settings;
    const { folder } = world.processes.self;
    this.#globs = settings.include.map((pattern) => new Glob(resolve(folder, pattern)));
    const ours = join(stateFolder, `${name}.checkpoint.json`);
    const path = settings.checkpoint === undefined ? ours : resolve(folder, settings.checkpoint);
    this.#checkpoint = new Checkpoint(world.files, path);
    const { maxLineBytes, longLines, maxFiles, keepRotated } = settings;
    this.#files = new FollowedFiles(
      world.files,
      {
        source: name,
        instance: context.instance,
        output: context.output,
        bounds: { maxLineBytes, longLines },
        counts: this.#counts,
        now: () => world.clock.now(),
        wallMs: () => world.clock.wallMs(),
      },
      { maxFiles, keepRotatedMs: keepRotated, readBytes: TURN_BYTES },
      context.report,
    );
  }

  start(): void {
    const { world, report } = this.#context;
    if (this.#config.checkpoint !== undefined) {
      world.files.makeFolder(dirname(this.#checkpoint.path), { mode: 0o700 });
    }
    this.#files.remember(this.#checkpoint.read(world.clock.wallMs(), report));
    // From now on: also a file that comes and is rotated before the first look is not missed.
    this.#save();
    const { pollInterval, checkpointInterval } = this.#config;
    this.#timers = [
      world.clock.every(pollInterval, () => {
        this.#refresh();
        this.#readSoon(0);
      }),
      world.clock.every(checkpointInterval, () => this.#save()),
    ];
    this.#refresh();
    this.#readSoon(0);
  }

  resume(): void {
    this.#readSoon(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#soon?.cancel();
    this.#soon = null;
    this.#refreshTimer?.cancel();
    this.#refreshTimer = null;
    this.#timers[0]?.cancel();
    for (const watcher of this.#watchers.values()) watcher?.close();
    this.#watchers.clear();
  }

  close(): void {
    if (!this.#stopped) this.stop();
    for (const timer of this.#timers) timer.cancel();
    this.#save();
    this.#tell();
    this.#files.close();
  }

  #readSoon(delayMs: number): void {
    if (this.#stopped) return;
    const { clock } = this.#context.world;
    const atMs = clock.now() + delayMs;
    if (this.#soon !== null) {
      if (this.#soonAtMs <= atMs) return;
      this.#soon.cancel();
    }
    this.#soonAtMs = atMs;
    this.#soon = clock.after(delayMs, () => {
      this.#soon = null;
      this.#turn();
    });
  }

  #turn(): void {
    if (!this.#context.output.ready) return;
    const more = this.#files.read();
    this.#tell();
    if (more) this.#readSoon(0);
  }

  #hint(): void {
    if (this.#stopped) return;
    this.#readSoon(HINT_MS);
    const { clock } = this.#context.world;
    const waitMs = this.#refreshedAtMs + REFRESH_MS - clock.now();
    if (waitMs <= 0) this.#refresh();
    else {
      this.#refreshTimer ??= clock.after(waitMs, () => {
        this.#refresh();
        this.#readSoon(0);
      });
    }
  }

  #refresh(): void {
    this.#refreshTimer?.cancel();
    this.#refreshTimer = null;
    this.#refreshedAtMs = this.#context.world.clock.now();
    const paths = new Set<string>();
    for (const glob of this.#globs) for (const path of this.#expand(glob)) paths.add(path);
    // Rotated away, and nothing has come in its place.
    if (!this.#refreshed) for (const path of this.#rememberedPaths()) paths.add(path);
    this.#refreshed = true;
    const opened = this.#files.refresh(paths);
    // Before a line is read: a file that is rotated before the first checkpoint is found again.
    if (opened) this.#save();
    this.#watch();
  }

  /** As far as they are still meant, and not links: a rotated file is beside its name. */
  #rememberedPaths(): string[] {
    const { files } = this.#context.world;
    return [...this.#files.rememberedPaths].filter((path) => {
      if (!this.#globs.some((glob) => glob.matches(path))) return false;
      try {
        return files.stat(path) === null;
      } catch (error) {
        if (error instanceof FileError) return false;
        throw error;
      }
    });
  }

  #expand(glob: Glob): string[] {
    const { files } = this.#context.world;
    const found: string[] = [];
    let missing = false;
    const paths = glob.expand(files, (folder, error) => {
      missing = true;
      const waits = error.code === "not-found";
      this.#once(folder, waits ? `${folder} is not there yet: waiting for it` : error.message);
    });
    for (const path of paths) {
      if (isCompressed(path)) {
        this.#once(path, `${path} is passed over: it is compressed`);
      } else if (this.#isOurs(path, glob)) found.push(path);
    }
    const waiting = `${glob.pattern}: no file yet: waiting for it`;
    if (found.length === 0 && !missing) this.#once(glob.pattern, waiting);
    else this.#said.delete(glob.pattern);
    return found;
  }

  /** A regular file that is really below the declared folder. */
  #isOurs(path: string, glob: Glob): boolean {
    const { files } = this.#context.world;
    try {
      const stat = files.stat(path);
      if (stat === null || stat.kind === "folder") return false;
      if (stat.kind === "other") {
        this.#once(path, `${path} is passed over: it is no regular file`);
        return false;
      }
      const root = files.realPath(glob.folder);
      const inside = files.realPath(path).startsWith(root === "/" ? root : `${root}/`);
      if (!inside) this.#once(path, `${path} is passed over: it is a link out of ${glob.folder}`);
      return inside;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (error.code !== "not-found") this.#once(path, error.message);
      return false;
    }
  }

  #watch(): void {
    const folders = new Set(this.#globs.map((glob) => glob.folder));
    for (const path of this.#files.paths) folders.add(dirname(path));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder) && watcher !== null) continue;
      watcher?.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      let watcher: FileWatcher | null = null;
      try {
        watcher = this.#context.world.files.watch(folder, () => this.#hint());
      } catch (error) {
        // Polling is enough; the next refresh tries again.
        if (!(error instanceof FileError)) throw error;
      }
      this.#watchers.set(folder, watcher);
    }
  }

  #save(): void {
    const { report, count } = this.#context;
    try {
      this.#checkpoint.write(this.#files.checked());
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      count("checkpoint_failures");
      if (!this.#checkpointFails) {
        const after = "; tried again, and nothing is acknowledged until then";
        report(`the checkpoint cannot be written: ${error.message}${after}`);
      }
      this.#checkpointFails = true;
      return;
    }
    if (this.#checkpointFails) report(`the checkpoint ${this.#checkpoint.path} is written again`);
    this.#checkpointFails = false;
  }

  #once(key: string, text: string): void {
    if (this.#said.has(key)) return;
    if (this.#said.size >= MAX_SAID) this.#said.clear();
    this.#said.add(key);
    this.#context.report(text);
  }

  /** Hands the counts of the reading on. */
  #tell(): void {
    const names = { empty: "empty_lines", long: "long_lines", truncated: "truncations" } as const;
    for (const key of ["empty", "long", "truncated", "readFailures"] as const) {
      const n = this.#counts[key] - this.#told[key];
      if (n > 0) this.#context.count(key === "readFailures" ? "read_failures" : names[key], n);
      this.#told[key] = this.#counts[key];
    }
  }
}
