import type { Event, Fields } from "../../api/event.ts";
import type { Timer } from "../../base/world.ts";
import { duration, integer, object, oneOf, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import type { Step, StepContext } from "../step_types.ts";
import { WatchedFile } from "../../base/watched_file.ts";
import { inFolder } from "./fields.ts";

const file = text({
  maxLength: 4096,
  pattern: /\.(?:ts|mts|js|mjs)$/,
  expected: 'a file such as "./steps/price.ts"',
});

const settings = object({
  file: file
    .about("Its default export is the function. Loaded again when the file changes.")
    .example("./steps/price.ts"),
  maxConcurrent: integer({ min: 1, max: 10_000 })
    .about("Of an async function: calls at once. Events keep their order all the same.")
    .default(64),
  timeout: duration({ min: "1ms", max: "10m" })
    .about("Of an async function: an event that takes longer has failed.")
    .default("30s"),
});

const config = oneOf(
  file.as((path) => ({ file: path, maxConcurrent: 64, timeout: 30_000 })),
  settings,
).example("./steps/price.ts");

type Config = Infer<typeof config>;

export const typescript: TransformDefinition<Config> = {
  name: "typescript",
  summary: "Runs a function of your own, (event, ctx) => event | event[] | null, on every event.",
  status: "beta",
  security:
    "The function runs in the pipeline's process with all of its rights, beside no request. A" +
    " function that never returns stops its pipeline; one that throws fails its event only.",
  config,
  examples: [
    {
      title: "Changed, dropped, and made into two",
      config: "./steps/price.ts",
      files: {
        "steps/price.ts": `import type { Step } from "outrigger/pipeline";

const step: Step = (event, ctx) => {
  if (event.message === "noise") return ctx.drop("noise");
  if (event.message === "pair") return [{ n: 1 }, { n: 2 }];
  event.length = event.message.length;
  return event;
};

export default step;
`,
      },
      lines: ["hello", "noise", "pair"],
      events: [{ message: "hello", length: 5 }, { n: 1 }, { n: 2 }],
    },
  ],
  create: (values, context) => new TypeScript(values, context),
};

/** An event in turn, where something has to be waited for. */
interface Waiting {
  readonly event: Event;
  /** Undefined until it is there. */
  outcome: Outcome | undefined;
  timer: Timer | null;
  /** The reason that the function gave by `ctx.drop`. */
  reason: string | null;
}

type Outcome = { readonly result: unknown } | { readonly failure: string };

class TypeScript implements Transform {
  #settings: Config;
  #context: TransformContext;
  #path: string;
  #file: WatchedFile;
  #step: Step | null = null;
  #version = 0;
  #closed = false;
  /** One for all events of a function that returns at once. */
  #current: Context;
  /** The function returned a promise before: it may look at its context later. */
  #isAsync = false;
  /** In order: those that run, then those that have to wait for their turn. */
  #queue: Waiting[] = [];
  /** How many of the queue have begun. */
  #begun = 0;
  #running = 0;
  /** Errors of this version that were told. */
  #told = 0;
  #words: Words;

  constructor(settings: Config, context: TransformContext) {
    this.#settings = settings;
    this.#context = context;
    this.#path = inFolder(context.folder, settings.file);
    this.#words = { reasons: new Set(), counters: new Set() };
    this.#current = new Context(context, this.#words);
    this.#file = new WatchedFile(context.world, this.#path, () => this.#load());
    this.#load();
  }

  apply(events: Event[]): Event[] {
    const out: Event[] = [];
    for (const event of events) this.#take(event, out);
    return out;
  }

  close(): void {
    this.#closed = true;
    this.#file.close();
    for (const { timer } of this.#queue) timer?.cancel();
    this.#queue = [];
  }

  // -------------------------------------------------------------- the file

  #load(): void {
    const version = (this.#version += 1);
    const { modules, clock } = this.#context.world;
    // Two versions of one file differ by the time too: a later process has its own count.
    const loading = modules.load(this.#path, clock.wallMs() * 1000 + version);
    loading.then(
      (loaded) => this.#loaded(version, loaded["default"]),
      (error: unknown) => this.#notLoaded(version, textOf(error)),
    );
  }

  #loaded(version: number, step: unknown): void {
    if (this.#closed || version !== this.#version) return;
    if (typeof step !== "function") {
      return this.#notLoaded(version, "it has no function as its default export");
    }
    if (this.#step !== null) this.#context.report(`${this.#path} was loaded again`);
    this.#step = step as Step;
    this.#told = 0;
    this.#advance();
  }

  #notLoaded(version: number, reason: string): void {
    if (this.#closed || version !== this.#version) return;
    this.#context.count("load_failures");
    const then = this.#step === null ? "events wait for it" : "the version before stays at work";
    this.#context.report(`${this.#path} cannot be loaded: ${reason}; ${then}`);
  }

  // -------------------------------------------------------------- events

  #take(event: Event, out: Event[]): void {
    const step = this.#step;
    if (step === null || this.#queue.length > 0 || this.#isAsync) return this.#enqueue(event, out);
    const context = this.#current;
    context.begin(event);
    let result: unknown;
    try {
      result = step(event.decode(), context);
    } catch (error) {
      this.#tell(error);
      if (this.#context.failed(event, "threw")) out.push(event);
      return;
    }
    if (result instanceof Promise) {
      this.#isAsync = true;
      // The function may still look at it.
      this.#current = new Context(this.#context, this.#words);
      const waiting: Waiting = { event, outcome: undefined, timer: null, reason: null };
      context.owner = waiting;
      this.#context.hold(event);
      this.#queue.push(waiting);
      this.#begun += 1;
      this.#await(waiting, result);
    } else this.#settle(event, result, context.reason, out);
  }

  #enqueue(event: Event, out: Event[]): void {
    this.#context.hold(event);
    this.#queue.push({ event, outcome: undefined, timer: null, reason: null });
    this.#pump(out);
  }

  /** From a timer or a promise. */
  #advance(): void {
    const out: Event[] = [];
    this.#pump(out);
    if (out.length > 0) this.#context.emit(out);
  }

  /** Starts what may start, and lets go of what is done at the head of the queue. */
  #pump(out: Event[]): void {
    const step = this.#step;
    if (step === null || this.#closed) return;
    while (this.#running < this.#settings.maxConcurrent && this.#begun < this.#queue.length) {
      const waiting = this.#queue[this.#begun]!;
      this.#begun += 1;
      this.#begin(step, waiting);
    }
    let done = 0;
    for (; done < this.#begun; done++) {
      const { event, outcome, reason } = this.#queue[done]!;
      if (outcome === undefined) break;
      if ("result" in outcome) this.#settle(event, outcome.result, reason, out);
      else if (this.#context.failed(event, outcome.failure)) out.push(event);
    }
    if (done === 0) return;
    this.#queue.splice(0, done);
    this.#begun -= done;
    this.#pump(out);
  }

  #begin(step: Step, waiting: Waiting): void {
    const context = new Context(this.#context, this.#words);
    context.begin(waiting.event);
    context.owner = waiting;
    try {
      const result = step(waiting.event.decode(), context) as unknown;
      if (result instanceof Promise) {
        this.#isAsync = true;
        this.#await(waiting, result);
      } else waiting.outcome = { result };
    } catch (error) {
      this.#tell(error);
      waiting.outcome = { failure: "threw" };
    }
  }

  #await(waiting: Waiting, promise: Promise<unknown>): void {
    this.#running += 1;
    const end = (outcome: Outcome): void => {
      if (waiting.outcome !== undefined || this.#closed) return;
      waiting.timer?.cancel();
      waiting.outcome = outcome;
      this.#running -= 1;
      this.#advance();
    };
    waiting.timer = this.#context.world.clock.after(this.#settings.timeout, () =>
      end({ failure: "timeout" }),
    );
    promise.then(
      (result) => end({ result }),
      (error: unknown) => {
        if (waiting.outcome === undefined) this.#tell(error);
        end({ failure: "threw" });
      },
    );
  }

  #settle(event: Event, result: unknown, reason: string | null, out: Event[]): void {
    if (isFields(result)) {
      event.fields = result;
      out.push(event);
    } else if (result === null) this.#context.drop(event, reason ?? "returned-null");
    else if (Array.isArray(result) && result.every(isFields)) {
      const list = result as Fields[];
      if (list.length === 0) this.#context.drop(event, reason ?? "returned-none");
      else if (list.length === 1) {
        event.fields = list[0]!;
        out.push(event);
      } else out.push(...this.#context.split(event, list));
    } else {
      const failure = result === undefined ? "returned-nothing" : "returned-no-event";
      if (this.#context.failed(event, failure)) out.push(event);
    }
  }

  /** The first few errors of a version: a person needs the text, a busy pipeline would write many. */
  #tell(error: unknown): void {
    this.#told += 1;
    if (this.#told > MAX_TOLD) return;
    const more = this.#told === MAX_TOLD ? " (further ones are counted only)" : "";
    this.#context.report(`${this.#path} threw: ${textOf(error)}${more}`);
  }
}

const MAX_TOLD = 5;

/** What a function called reasons and counters: labels of metrics, so few and plain. */
interface Words {
  readonly reasons: Set<string>;
  readonly counters: Set<string>;
}

const MAX_WORDS = 50;

function bounded(words: Set<string>, word: string, shape: RegExp, otherwise: string): string {
  if (words.has(word)) return word;
  if (words.size >= MAX_WORDS || !shape.test(word)) return otherwise;
  words.add(word);
  return word;
}

class Context implements StepContext {
  #context: TransformContext;
  #event: Event | null = null;
  reason: string | null = null;
  /** Set where the result is waited for. */
  owner: Waiting | null = null;

  constructor(
    context: TransformContext,
    private readonly words: Words,
  ) {
    this.#context = context;
  }

  begin(event: Event): void {
    this.#event = event;
    this.reason = null;
  }

  get source(): string {
    return this.#event!.origin.source;
  }

  get path(): string {
    return this.#event!.origin.path;
  }

  get receivedMs(): number {
    return this.#event!.origin.receivedMs;
  }

  count(name: string, n = 1): void {
    const word = bounded(this.words.counters, name, /^[a-z][a-z0-9_]{0,60}$/, "other");
    this.#context.count(`own_${word}`, n);
  }

  drop(reason: string): null {
    const text = bounded(this.words.reasons, reason, /^[\w .:-]{1,60}$/, "dropped-by-function");
    if (this.owner === null) this.reason = text;
    else this.owner.reason = text;
    return null;
  }
}

function isFields(value: unknown): value is Fields {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Promise)
  );
}

/** With the line of the user's file, where the error knows it. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 300);
  const place = /\/([^/\s()]+?)(?:\?v=[\d.]+)?:(\d+):\d+/.exec(error.stack ?? "");
  const where = place === null ? "" : ` (${place[1]}:${place[2]})`;
  return `${error.message}${where}`.replaceAll(/\s+/g, " ").slice(0, 300);
}
