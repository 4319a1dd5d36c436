import type { PipelineBinding, PipelinePolicy, Snapshot } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";
import { FileError, type FileWatcher, type SocketAddress, type Timer, type World } from "../base/world.ts";
import { createPost } from "../http/post.ts";
import type { HttpServer } from "../http/server.ts";
import { planPipeline } from "../pipeline/plan.ts";
import { PipelineRunner } from "../pipeline/runner.ts";
import { serveAdmin, serveMetrics } from "./pipeline_admin.ts";
import { untilStopped } from "./until_stopped.ts";

export interface PipelineSet {
  readonly policies: Readonly<Record<string, PipelinePolicy>>;
  readonly bindings: Readonly<Record<string, PipelineBinding>>;
  readonly stateFolder: string;
  /** Where each pipeline's file lies; the program's folder for one that is not here. */
  readonly folders?: Readonly<Record<string, string>>;
}

export interface PipelineProcessOptions {
  /** Where metrics and ledgers can be asked for; null for nowhere. */
  readonly adminSocket: string | null;
  /** Where Prometheus scrapes this process; nowhere without it. */
  readonly metricsAddress?: SocketAddress;
  /** Beside a sidecar: ends when standard input does, for then the sidecar is gone. */
  readonly endsWithInput: boolean;
  /** Ends when all pipelines read from standard input alone, and it has ended. */
  readonly endsWithSources?: boolean;
  readonly log: (line: string) => void;
  /** Another version of the same, read anew on SIGHUP and when a file changes. */
  readonly reload?: Reload;
}

export interface Reload {
  /** @throws Failure where the files cannot be read, or have problems. */
  read(): Promise<PipelineSet>;
  /** Folders in which a change is a reason to look; without one, only who asks is one. */
  readonly watch: readonly string[];
}

const NO_BINDING: PipelineBinding = { sources: {}, sinks: {} };
/** An editor writes a file in several steps. */
const SETTLE_MS = 200;
/** Where the system tells of no change. */
const POLL_MS = 5000;

export function pipelinesOf(snapshot: Snapshot): PipelineSet {
  const { policy, bindings } = snapshot;
  const folders = Object.entries(bindings.pipelines).flatMap(([name, { folder }]) =>
    folder === undefined ? [] : [[name, folder] as const],
  );
  return {
    policies: policy.pipelines,
    bindings: bindings.pipelines,
    stateFolder: bindings.stateFolder,
    folders: Object.fromEntries(folders),
  };
}

/**
 * Runs pipelines until it is told to stop. Returns the exit code.
 *
 * @throws Failure "refused" where a pipeline cannot be built, FileError where its state cannot be
 *   read.
 */
export async function runPipelines(
  world: World,
  set: PipelineSet,
  options: PipelineProcessOptions,
): Promise<number> {
  const running = new PipelineSetRunner(world, set, options);
  running.start();
  return untilStopped(
    world,
    { drain: () => running.stop(), close: () => running.close() },
    (run) => {
      if (options.endsWithInput) world.stdio.stdin.read(() => {}, run);
      if (options.endsWithSources === true) running.whenOver(run);
    },
  );
}

/** The pipelines of one process, and what a person asks of them. */
class PipelineSetRunner {
  #world: World;
  #options: PipelineProcessOptions;
  #set: PipelineSet;
  #runners = new Map<string, PipelineRunner>();
  #post: ReturnType<typeof createPost>;
  #servers: HttpServer[] = [];
  #changing: Promise<unknown> = Promise.resolve();
  #watchers: FileWatcher[] = [];
  #poll: Timer | null = null;
  #soon: Timer | null = null;
  #forget: (() => void) | null = null;
  #stopped = false;
  readonly #over = new Set<PipelineRunner>();
  #whenOver: (() => void) | null = null;
  /** The problem that was said last, so that a poll does not repeat it. */
  #said = "";

  constructor(world: World, set: PipelineSet, options: PipelineProcessOptions) {
    this.#world = world;
    this.#options = options;
    this.#set = set;
    this.#post = createPost(world);
    for (const name of Object.keys(set.policies)) this.#runners.set(name, this.#make(name, set));
  }

  start(): void {
    for (const runner of this.#runners.values()) runner.start();
    const { adminSocket, metricsAddress, reload } = this.#options;
    const host = {
      runners: () => [...this.#runners.values()],
      reload: reload === undefined ? null : () => this.#reload(true),
    };
    if (adminSocket !== null) this.#servers.push(serveAdmin(this.#world, adminSocket, host));
    if (metricsAddress !== undefined) {
      this.#servers.push(serveMetrics(this.#world, metricsAddress, host));
    }
    if (reload === undefined) return;
    this.#forget = this.#world.signals.on("SIGHUP", () => void this.#reload(true));
    const changed = (): void => {
      this.#soon ??= this.#world.clock.after(SETTLE_MS, () => {
        this.#soon = null;
        void this.#reload(false);
      });
    };
    for (const folder of reload.watch) {
      try {
        this.#watchers.push(this.#world.files.watch(folder, changed));
      } catch (error) {
        // The poll is enough.
        if (!(error instanceof FileError)) throw error;
      }
    }
    if (reload.watch.length > 0) this.#poll = this.#world.clock.every(POLL_MS, changed);
  }

  /** No pipeline will read anything again. */
  whenOver(run: () => void): void {
    this.#whenOver = run;
    this.#lookOver();
  }

  #lookOver(): void {
    if ([...this.#runners.values()].every((runner) => this.#over.has(runner))) this.#whenOver?.();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endWatching();
    await this.#changing;
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
    for (const server of this.#servers) server.stop();
  }

  close(): void {
    this.#endWatching();
    for (const server of this.#servers) server.stop();
  }

  #endWatching(): void {
    this.#forget?.();
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    this.#poll?.cancel();
    this.#soon?.cancel();
  }

  #make(name: string, { policies, bindings, stateFolder, folders }: PipelineSet): PipelineRunner {
    const binding = bindings[name] ?? NO_BINDING;
    const folder = folders?.[name];
    const runner = new PipelineRunner(this.#world, name, policies[name]!, binding, stateFolder, {
      post: this.#post,
      report: (line) => this.#options.log(`${name}: ${line}`),
      ...(folder === undefined ? {} : { folder }),
      onOver: () => {
        this.#over.add(runner);
        this.#lookOver();
      },
    });
    return runner;
  }

  /** One after the other. Resolves to what happened, in words. */
  #reload(isAsked: boolean): Promise<string> {
    const next = this.#changing.then(() => this.#readAndChange(isAsked));
    this.#changing = next;
    return next;
  }

  async #readAndChange(isAsked: boolean): Promise<string> {
    if (this.#stopped) return "it stops";
    try {
      const set = await this.#options.reload!.read();
      const done = await this.#change(set);
      this.#said = "";
      if (done !== "") this.#options.log(`the new version is in force: ${done}`);
      else if (isAsked) this.#options.log("nothing has changed");
      return done === "" ? "nothing has changed" : done;
    } catch (error) {
      if (!(error instanceof Failure) && !(error instanceof FileError)) throw error;
      const text = `the new version is refused, the old one goes on: ${error.message}`;
      if (isAsked || text !== this.#said) this.#options.log(text);
      this.#said = text;
      return text;
    }
  }

  /** All is planned before anything is touched. @throws Failure `refused` */
  async #change(set: PipelineSet): Promise<string> {
    const names = Object.keys(set.policies);
    for (const name of names) {
      planPipeline(name, set.policies[name]!, set.bindings[name] ?? NO_BINDING);
    }
    const known = [...this.#runners.keys()];
    // Its relative names mean other files from now on.
    const moved = known.filter((name) => set.folders?.[name] !== this.#set.folders?.[name]);
    const gone = known.filter((name) => !names.includes(name) || moved.includes(name));
    const added = names.filter((name) => !known.includes(name) || moved.includes(name));
    const changed = names.filter((name) => !added.includes(name) && this.#differs(name, set));
    this.#set = set;
    await Promise.all([
      ...changed.map((name) =>
        this.#runners.get(name)!.change(set.policies[name]!, set.bindings[name] ?? NO_BINDING),
      ),
      ...gone.map((name) => this.#runners.get(name)!.stop()),
    ]);
    for (const name of gone) this.#runners.delete(name);
    for (const name of added) {
      const runner = this.#make(name, set);
      this.#runners.set(name, runner);
      runner.start();
    }
    const words = { changed, started: added, stopped: gone };
    return Object.entries(words)
      .flatMap(([word, list]) => (list.length === 0 ? [] : [`${list.join(", ")} ${word}`]))
      .join("; ");
  }

  #differs(name: string, set: PipelineSet): boolean {
    const key = ({ policies, bindings }: PipelineSet): string =>
      JSON.stringify([policies[name], bindings[name]]);
    return key(set) !== key(this.#set);
  }
}
