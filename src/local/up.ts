import { Failure } from "../base/failure.ts";
import { ProcessError, type World } from "../base/world.ts";
import { stopLeftovers } from "./leftovers.ts";
import { checkedSources, readSources } from "./load_set.ts";
import { isUp, marksOf, readRecord } from "./running_record.ts";
import { notReadyFailure, RunningSet } from "./running_set.ts";
import { Screen } from "./screen.ts";
import { serveConsole } from "./serve_console.ts";
import { setNameOf, StateFolder, stateHome } from "./state_folder.ts";
import { FileWatch } from "./watch_files.ts";

export interface UpOptions {
  readonly files: readonly string[];
  /** Null derives it from the files. */
  readonly name: string | null;
  /** How long everything together may take to be ready. */
  readonly waitMs: number;
  /** Give up where something is not ready in time, instead of going on with what is. */
  readonly strict: boolean;
}

/** After a SIGTERM to whatever left its process group. */
const LEFTOVER_WAIT_MS = 2_000;

/** `outrigger up` in the foreground: runs until it is told to stop. Returns the exit code. */
export async function runUp(world: World, options: UpOptions): Promise<number> {
  const name = options.name ?? setNameOf(world, options.files);
  const state = new StateFolder(world, stateHome(world), name);
  const sources = await readSources(world, options.files);
  const documents = checkedSources(sources);
  await takeOver(world, state);
  const screen = new Screen(world);
  const set = new RunningSet(world, state, options.files, screen);
  const stopping = new StopSignal(world, set);
  const closers: (() => void)[] = [];
  try {
    set.say(`${name}: starting ${documents.apps.length} apps`);
    set.saveRecord();
    await Promise.race([set.apply(documents), stopping.asked]);
    closers.push(startConsole(world, set));
    closers.push(set.showTable(), watch(world, set, options.files, sources));
    const late = await Promise.race([set.notReady(options.waitMs), stopping.asked]);
    if (late.length > 0) {
      const failure = notReadyFailure(late, options.waitMs, state);
      if (options.strict) throw failure;
      set.say(`${failure.message}\n${failure.advice ?? ""}`);
    }
    for (const line of set.addresses()) set.say(line);
    set.markReady();
    await stopping.asked;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    for (const close of closers.reverse()) close();
    if (stopping.isAsked) set.say("stopping; once more stops at once");
    await set.stop();
    const left = await stopLeftovers(world, state.root, [], LEFTOVER_WAIT_MS);
    if (left > 0) screen.line(`outrigger | stopped ${left} processes that had left their group`);
    set.forget();
    stopping.close();
    await screen.end();
  }
  return 0;
}

/** Thrown out of whatever `up` waits for when it is told to stop. */
class Stopped extends Error {}

class StopSignal {
  isAsked = false;
  /** Rejects with Stopped. */
  readonly asked: Promise<never>;
  #remove: (() => void)[];

  constructor(world: World, set: RunningSet) {
    let reject: (error: Stopped) => void = () => {};
    this.asked = new Promise((_, no) => (reject = no));
    // Whether or not somebody waits for it at the moment.
    this.asked.catch(() => {});
    const ask = () => {
      if (this.isAsked) set.kill();
      this.isAsked = true;
      reject(new Stopped());
    };
    this.#remove = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
      world.signals.on(signal, ask),
    );
  }

  close(): void {
    for (const remove of this.#remove) remove();
  }
}

/** @throws Failure "already-running"; otherwise stops what a killed `up` left behind. */
async function takeOver(world: World, state: StateFolder): Promise<void> {
  const record = readRecord(state);
  if (record !== null && (await isUp(world, record))) {
    throw new Failure(
      "already-running",
      `${state.name} runs already: process ${record.up.pid}`,
      `outrigger down --name ${state.name} stops it; files that change are read again by itself`,
    );
  }
  state.make();
  world.files.remove(state.failure);
  const marks = record === null ? [] : marksOf(record);
  const left = await stopLeftovers(world, state.root, marks, LEFTOVER_WAIT_MS);
  if (left > 0) {
    const text = `outrigger: stopped ${left} processes that an earlier up left behind\n`;
    world.stdio.stderr.write(text);
  }
  world.files.remove(state.running);
}

function startConsole(world: World, set: RunningSet): () => void {
  const { url, stop } = serveConsole(world, set);
  set.consoleUrl = url;
  set.saveRecord();
  set.say(`console: ${url}`);
  return stop;
}

function watch(
  world: World,
  set: RunningSet,
  files: readonly string[],
  sources: Parameters<typeof checkedSources>[0],
): () => void {
  const watched = files.filter((file) => file !== "-");
  if (watched.length < files.length) return () => {};
  const watcher = new FileWatch(world, watched, sources, () => reload(world, set, watched));
  return () => watcher.close();
}

/** A change that is wrong in any way is said, and leaves what runs as it is. */
async function reload(world: World, set: RunningSet, files: readonly string[]): Promise<void> {
  try {
    set.say("the files changed");
    await set.apply(checkedSources(await readSources(world, files)));
  } catch (error) {
    if (!(error instanceof Failure) && !(error instanceof ProcessError)) throw error;
    const advice = error instanceof Failure ? error.advice : undefined;
    const more = advice === undefined ? "" : `\n${advice}`;
    set.say(`${error.message}${more}\nnot in force: everything goes on as before`);
  }
}
