import { basename, dirname, join, relative, resolve } from "node:path";
import type { FileWatcher, Timer } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import type { Source, SourceContext, SourceOutput } from "../component.ts";
import { Checkpoint } from "./checkpoint.ts";
import { FollowedFiles } from "./follow.ts";
import { Glob, isCompressed } from "./glob.ts";
import type { TailConfig } from "./tail_fields.ts";
import type { TailCounts } from "./tailed_file.ts";

/** One turn reads at most as much of one file, so that none starves the loop or the others. */
const TURN_BYTES = 1024 * 1024;
/** A hint waits as long for others: a busy log gives one for each line. */
const HINT_MS = 10;
/** Hints make us look at the folders again, at most this often. */
const REFRESH_MS = 250;

/** Texts that are remembered so as not to be said twice. */
const MAX_SAID = 10_000;

/** Follows files and hands their lines to an output: what `file` and `container` have in common. */
export class FileTail implements Source {
  #context: SourceContext;
  #config: TailConfig;
  #output: SourceOutput;
  #globs: readonly Glob[];
  #excluded: (path: string) => boolean;
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

  constructor(settings: TailConfig, context: SourceContext, output: SourceOutput) {
    const { world, name, stateFolder, folder } = context;
    this.#context = context;
    this.#config = settings;
    this.#output = output;
    this.#globs = settings.include.map((pattern) => new Glob(resolve(folder, pattern)));
    this.#excluded = excluded(settings.exclude, folder);
    const ours = join(stateFolder, `${name}.checkpoint.json`);
    const path = settings.checkpoint === undefined ? ours : resolve(folder, settings.checkpoint);
    this.#checkpoint = new Checkpoint(world.files, path);
    const { maxLineBytes, longLines, maxFiles, keepRotated } = settings;
    this.#files = new FollowedFiles(
      world.files,
      {
        source: name,
        instance: context.instance,
        output,
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
    const checked = this.#checkpoint.read(world.clock.wallMs(), report);
    this.#files.remember(checked);
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

  /** Behind what was read, in the files that are open. */
  lagBytes(): number {
    return this.#files.lagBytes();
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
    if (!this.#output.ready) return;
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
    const paths = new Map<string, string>();
    for (const glob of this.#globs) this.#expand(glob, paths);
    // Rotated away, and nothing has come in its place.
    if (!this.#refreshed) for (const path of this.#rememberedPaths()) paths.set(path, path);
    const isFirst = !this.#refreshed && !this.#checkpoint.wasThere;
    this.#refreshed = true;
    const opened = this.#files.refresh(paths, isFirst && this.#config.readFrom === "end");
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

  /** Adds the files of a pattern, each with the path that it really has. */
  #expand(glob: Glob, into: Map<string, string>): void {
    const { files } = this.#context.world;
    let found = false;
    let missing = false;
    const paths = glob.expand(files, (folder, error) => {
      missing = true;
      const waits = error.code === "not-found";
      this.#once(folder, waits ? `${folder} is not there yet: waiting for it` : error.message);
    });
    for (const path of paths) {
      if (this.#excluded(path)) continue;
      const real = this.#realPath(path, glob);
      if (real === null) continue;
      found = true;
      into.set(path, real);
    }
    const waiting = `${glob.pattern}: no file yet: waiting for it`;
    if (!found && !missing) this.#once(glob.pattern, waiting);
    else this.#said.delete(glob.pattern);
  }

  /** Of a regular file that is really below the declared folders; else null. */
  #realPath(path: string, glob: Glob): string | null {
    const { files } = this.#context.world;
    const pass = (why: string): null => {
      this.#once(path, `${path} is passed over: ${why}`);
      return null;
    };
    try {
      const stat = files.stat(path);
      if (stat === null || stat.kind === "folder") return null;
      if (isCompressed(path)) return pass("it is compressed");
      if (stat.kind === "other") return pass("it is no regular file");
      const root = files.realPath(glob.folder);
      const real = files.realPath(path);
      if (real === join(root, relative(glob.folder, path))) return real;
      if (!this.#config.followLinks) return pass("it is a link, and followLinks is not set");
      if (isCompressed(real)) return pass("it is a link to a compressed file");
      if ([root, ...this.#linkFolders()].some((folder) => isBelow(real, folder))) return real;
      const others = this.#config.linkFolders.length > 0 ? " and linkFolders" : "";
      return pass(`it is a link out of ${glob.folder}${others}`);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (error.code !== "not-found") this.#once(path, error.message);
      return null;
    }
  }

  #linkFolders(): string[] {
    const { world, folder } = this.#context;
    return this.#config.linkFolders.map((written) => {
      const path = resolve(folder, written);
      try {
        return world.files.realPath(path);
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        return path;
      }
    });
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

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder === "/" ? folder : `${folder}/`);
}

function excluded(patterns: readonly string[], folder: string): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  const whole = patterns.filter((pattern) => pattern.includes("/"));
  const globs = whole.map((pattern) => new Glob(resolve(folder, pattern)));
  // As the last part of a path in the root folder.
  const names = patterns.filter((pattern) => !pattern.includes("/")).map((one) => new Glob(`/${one}`));
  return (path) =>
    globs.some((glob) => glob.matches(path)) ||
    names.some((glob) => glob.matches(`/${basename(path)}`));
}
