import { resolve } from "node:path";
import type { Snapshot, UserFilterPolicy } from "../../api/snapshot.ts";
import type { UserFilterStats } from "../../api/stats.ts";
import type { Filter as UserFilter } from "../../api/user_filter.ts";
import { Failure } from "../../base/failure.ts";
import { WatchedFile } from "../../base/watched_file.ts";
import type { Timer } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";
import type { Filter, FilterTools } from "../filters/filter.ts";
import type { GroupMember } from "../group/member.ts";
import { adaptFilter, readHooks } from "./filter_adapter.ts";
import { BEAT_MS, FilterCells, type Watched } from "./filter_cells.ts";
import { FilterCounters } from "./filter_counters.ts";
import { Watchdog } from "./watchdog.ts";

/** Of one version: a person needs the text, a busy filter would write many. */
const MAX_TOLD = 5;
/** Several writes of one change are one: an editor empties the file first. */
const SETTLE_MS = 100;
const DEFAULT_WATCHDOG_MS = 5_000;

export interface UserFiltersOptions {
  /** New code is there: the routes are to be made anew. */
  readonly changed: (why: string) => void;
  /** Set where a group watches over this thread anyway. */
  readonly member: GroupMember | null;
}

/** Who watches over this thread. */
interface FilterWatch {
  watch(watched: Watched): void;
  stop(): void;
}

/**
 * The code of a Snapshot's own filters: loaded before the Snapshot is prepared, loaded again when a
 * file changes. A version that cannot be used leaves the one before at work.
 */
export class UserFilters {
  readonly #context: ProxyContext;
  readonly #options: UserFiltersOptions;
  /** By name and path. */
  readonly #files = new Map<string, FilterFile>();
  /** By name, for as long as the Snapshot has it. */
  readonly #counters = new Map<string, FilterCounters>();
  /** Their place is their number in the cells; what is gone keeps it. */
  readonly #numbered: string[] = [];
  readonly #cells = new FilterCells();
  #watch: FilterWatch | null = null;
  #beat: Timer | null = null;
  #limitMs = DEFAULT_WATCHDOG_MS;

  constructor(context: ProxyContext, options: UserFiltersOptions) {
    this.#context = context;
    this.#options = options;
    context.world.processes.self.onUncaught((error) => this.#ownUncaught(error));
  }

  /**
   * Loads what the Snapshot names and is not there yet.
   * @throws Failure `refused` where a filter that fails closed cannot be used.
   */
  async load(snapshot: Snapshot): Promise<void> {
    const uses = usesOf(snapshot);
    if (uses.size === 0) return;
    this.#limitMs = snapshot.policy.filterWatchdogMs ?? DEFAULT_WATCHDOG_MS;
    for (const [name, policies] of uses) {
      const path = snapshot.bindings.filters?.[name];
      if (path === undefined) {
        throw new Failure("refused", `filter ${name} has no binding for its file`);
      }
      await this.#loadOne(name, resolve(path), policies);
    }
    this.#tellWatch();
  }

  async #loadOne(
    name: string,
    path: string,
    policies: readonly UserFilterPolicy[],
  ): Promise<void> {
    const key = keyOf(name, path);
    let file = this.#files.get(key);
    if (file === undefined) {
      file = new FilterFile(name, path, this.#number(`${name} (${path})`), {
        context: this.#context,
        cells: this.#cells,
        counters: this.#countersOf(name),
        changed: this.#options.changed,
      });
      this.#files.set(key, file);
    }
    this.#startWatch();
    const problem = await file.use(policies);
    if (problem === null) return;
    if (policies.some(({ onError }) => onError === "closed")) {
      const advice = "mend the file, or let it fail open by onError: open";
      throw new Failure("refused", `filter ${name}: ${problem}`, advice);
    }
  }

  #number(place: string): number {
    const known = this.#numbered.indexOf(place);
    if (known >= 0) return known;
    this.#tellWatch(place);
    return this.#numbered.length - 1;
  }

  #countersOf(name: string): FilterCounters {
    let counters = this.#counters.get(name);
    if (counters === undefined) {
      counters = new FilterCounters();
      this.#counters.set(name, counters);
    }
    return counters;
  }

  /** What a Snapshot's routes are made with. */
  toolsFor(snapshot: Snapshot): Pick<FilterTools, "userFilter"> {
    return { userFilter: (policy) => this.#filterFor(snapshot, policy) };
  }

  /** @throws Failure `refused` where `load` did not come before. */
  #filterFor(snapshot: Snapshot, policy: UserFilterPolicy): Filter {
    const path = snapshot.bindings.filters?.[policy.name];
    const file = path === undefined ? undefined : this.#files.get(keyOf(policy.name, resolve(path)));
    if (file === undefined) throw new Failure("refused", `filter ${policy.name} is not loaded`);
    return file.filterFor(policy);
  }

  stats(): UserFilterStats[] {
    return [...this.#counters].map(([name, counters]) => counters.stats(name));
  }

  /** Null: nothing. */
  keepOnly(snapshot: Snapshot | null): void {
    const uses = snapshot === null ? new Map<string, UserFilterPolicy[]>() : usesOf(snapshot);
    const kept = new Set(
      [...uses.keys()].map((name) => keyOf(name, resolve(snapshot!.bindings.filters?.[name] ?? ""))),
    );
    for (const [key, file] of this.#files) {
      if (kept.has(key)) {
        file.keepOnly(uses.get(file.name)!);
        continue;
      }
      file.close();
      this.#files.delete(key);
    }
    for (const name of this.#counters.keys()) if (!uses.has(name)) this.#counters.delete(name);
    if (this.#files.size === 0) this.#stopWatch();
  }

  /** An error that no call of a hook was there to catch: from a timer, a promise left alone. */
  #ownUncaught(error: unknown): boolean {
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    for (const file of this.#files.values()) {
      if (!file.isIn(stack)) continue;
      file.uncaught(error);
      return true;
    }
    return false;
  }

  // -------------------------------------------------------------- the watchdog

  #startWatch(): void {
    if (this.#watch !== null) return;
    const { member } = this.#options;
    this.#watch =
      member === null
        ? new Watchdog(this.#context.world)
        : {
            watch: (watched) => member.watchFilters(watched),
            stop: () => member.watchFilters(null),
          };
    this.#beat = this.#context.clock.every(BEAT_MS, () => this.#cells.beat());
    this.#tellWatch();
  }

  #tellWatch(added: string | null = null): void {
    if (added !== null) this.#numbered.push(added);
    this.#watch?.watch({
      cells: this.#cells.memory,
      filters: [...this.#numbered],
      limitMs: this.#limitMs,
    });
  }

  #stopWatch(): void {
    this.#watch?.stop();
    this.#watch = null;
    this.#beat?.cancel();
    this.#beat = null;
  }
}

interface FilePlace {
  readonly context: ProxyContext;
  readonly cells: FilterCells;
  readonly counters: FilterCounters;
  readonly changed: (why: string) => void;
}

/** One version of a file's code. */
interface Loaded {
  readonly exported: unknown;
  /** By the config that they were made with. */
  readonly made: Map<string, UserFilter>;
}

/** One file of a user's filter. */
class FilterFile {
  readonly #place: FilePlace;
  readonly #watched: WatchedFile;
  /** Files that it imports, by path. */
  #imported = new Map<string, WatchedFile>();
  /** Configs in use, by their text. */
  readonly #configs = new Map<string, UserFilterPolicy["config"]>();
  #loaded: Loaded | null = null;
  #version = 0;
  #told = 0;
  #closed = false;
  #settling: Timer | null = null;

  constructor(
    readonly name: string,
    readonly path: string,
    private readonly number: number,
    place: FilePlace,
  ) {
    this.#place = place;
    this.#watched = new WatchedFile(place.context.world, path, () => this.#changed());
  }

  close(): void {
    this.#closed = true;
    this.#watched.close();
    for (const watched of this.#imported.values()) watched.close();
    this.#settling?.cancel();
  }

  /** Null where the code is there, and takes these configs; else what is wrong. */
  async use(policies: readonly UserFilterPolicy[]): Promise<string | null> {
    const added = policies.filter(({ config }) => !this.#configs.has(textOf(config)));
    try {
      if (this.#loaded === null) {
        this.#loaded = await this.#load(policies.map(({ config }) => config));
        this.#place.counters.loads++;
      } else for (const { config } of added) this.#make(this.#loaded, config);
    } catch (error) {
      const problem = problemOf(error);
      this.#refused(problem);
      return problem;
    } finally {
      // Also where it failed: a file that is mended later comes into force for them.
      for (const { config } of added) this.#configs.set(textOf(config), config);
    }
    return null;
  }

  keepOnly(policies: readonly UserFilterPolicy[]): void {
    const kept = new Set(policies.map(({ config }) => textOf(config)));
    for (const key of this.#configs.keys()) {
      if (kept.has(key)) continue;
      this.#configs.delete(key);
      this.#loaded?.made.delete(key);
    }
  }

  filterFor(policy: UserFilterPolicy): Filter {
    const user = this.#loaded?.made.get(textOf(policy.config));
    if (user === undefined) {
      if (policy.onError === "open") return {};
      throw new Failure("refused", `filter ${this.name}: ${this.path} is not loaded`);
    }
    const { context, cells, counters } = this.#place;
    return adaptFilter(user, policy, {
      number: this.number,
      counters,
      cells,
      clock: context.clock,
      env: context.world.processes.self.env,
      tell: (error) => this.#tell("filter-failed", problemOf(error)),
    });
  }

  isIn(stack: string): boolean {
    return [this.path, ...this.#imported.keys()].some((path) => stack.includes(path));
  }

  uncaught(error: unknown): void {
    this.#place.counters.failed("uncaught");
    this.#tell("filter-failed", `outside of its hooks: ${problemOf(error)}`);
  }

  // -------------------------------------------------------------- loading

  /** Made with `more` and with all that are in use once it is there: some may come meanwhile. */
  async #load(more: readonly UserFilterPolicy["config"][] = []): Promise<Loaded> {
    const { clock, world } = this.#place.context;
    const version = (this.#version += 1);
    const { cells } = this.#place;
    cells.waits(this.number, 1);
    this.#watchImports();
    try {
      // Two versions of one file differ by the time too: a later process has its own count.
      const exports = await world.modules.load(this.path, clock.wallMs() * 1000 + version);
      const loaded: Loaded = { exported: exports["default"], made: new Map() };
      for (const config of [...this.#configs.values(), ...more]) this.#make(loaded, config);
      return loaded;
    } finally {
      cells.waits(this.number, -1);
    }
  }

  /** Before they are read: a change while they are is not missed. */
  #watchImports(): void {
    const { world } = this.#place.context;
    const before = this.#imported;
    this.#imported = new Map();
    for (const path of world.modules.imports(this.path)) {
      const watched = before.get(path) ?? new WatchedFile(world, path, () => this.#changed());
      before.delete(path);
      this.#imported.set(path, watched);
    }
    for (const watched of before.values()) watched.close();
  }

  /** @throws Error in words where the code does not take the config, or has no hooks. */
  #make(loaded: Loaded, config: UserFilterPolicy["config"]): void {
    const key = textOf(config);
    if (loaded.made.has(key)) return;
    let { exported } = loaded;
    const isMade = typeof exported === "function";
    if (isMade) {
      const { env } = this.#place.context.world.processes.self;
      const make = exported as (setup: unknown) => unknown;
      this.#place.cells.enter(this.number);
      try {
        exported = make({ config, env: (name: string) => env[name] });
      } finally {
        this.#place.cells.leave();
      }
    }
    const hooks = readHooks(exported, isMade);
    if (typeof hooks === "string") throw new Error(`${this.path}: ${hooks}`);
    loaded.made.set(key, hooks);
  }

  #changed(): void {
    this.#settling ??= this.#place.context.clock.after(SETTLE_MS, () => {
      this.#settling = null;
      void this.#reload();
    });
  }

  async #reload(): Promise<void> {
    if (this.#closed) return;
    const loading = this.#load();
    const version = this.#version;
    const isOld = (): boolean => this.#closed || version !== this.#version;
    let loaded: Loaded;
    try {
      loaded = await loading;
    } catch (error) {
      if (!isOld()) this.#refused(problemOf(error));
      return;
    }
    if (isOld()) return;
    this.#loaded = loaded;
    this.#told = 0;
    this.#place.counters.loads++;
    const text = `${this.path} was loaded again, and is in force`;
    this.#place.context.events.add("filter-loaded", this.name, text);
    this.#place.changed(`filter ${this.name} changed`);
  }

  #refused(problem: string): void {
    this.#place.counters.loadFailures++;
    const stays =
      this.#loaded === null ? "there is no version before" : "the version before stays at work";
    const text = `${this.path} cannot be used: ${problem}; ${stays}`;
    this.#place.context.events.add("filter-refused", this.name, text);
  }

  /** The first few of a version. */
  #tell(kind: "filter-failed", text: string): void {
    this.#told += 1;
    if (this.#told > MAX_TOLD) return;
    const more = this.#told === MAX_TOLD ? " (further ones are counted only)" : "";
    this.#place.context.events.add(kind, this.name, `${text}${more}`);
  }
}

function keyOf(name: string, path: string): string {
  return `${name} ${path}`;
}

function textOf(config: unknown): string {
  return JSON.stringify(config);
}

function usesOf({ policy }: Snapshot): Map<string, UserFilterPolicy[]> {
  const uses = new Map<string, UserFilterPolicy[]>();
  for (const { routes } of Object.values(policy.listeners)) {
    for (const { filter, config } of routes.flatMap(({ filters }) => filters)) {
      if (filter !== "typescript") continue;
      const own = config as unknown as UserFilterPolicy;
      uses.set(own.name, [...(uses.get(own.name) ?? []), own]);
    }
  }
  return uses;
}

/** With the line of the user's file, where the error knows it. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 300);
  const inner = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { position } = inner as { position?: { file: string; line: number; column: number } | null };
  const place = /([^\s()/]+\.[cm]?[jt]s)(?:\?v=[\d.]+)?:(\d+):\d+/.exec(error.stack ?? "");
  const where =
    position !== null && position !== undefined
      ? ` (${position.file.replace(/^.*\//, "").replace(/\?.*$/, "")}:${position.line})`
      : place === null
        ? ""
        : ` (${place[1]}:${place[2]})`;
  const text = inner instanceof Error ? inner.message : String((inner as Error).message ?? inner);
  return `${text}${where}`.replaceAll(/\s+/g, " ").slice(0, 400);
}
