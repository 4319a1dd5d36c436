import type { Event, Fields } from "../../api/event.ts";
import { compileSearchRegex } from "../../base/search_regex.ts";
import type { Timer } from "../../base/world.ts";
import { choice, duration, integer, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { STACK_TRACES } from "../parsers/stack_traces.ts";
import type { Continuation } from "../parsers/stack_traces.ts";

const pattern = text({
  maxLength: 8192,
  expected: "a regular expression",
  check: (written) => {
    const regex = compileSearchRegex(written);
    return typeof regex === "string" ? regex : null;
  },
});

const config = object({
  start: pattern
    .about("A line that matches begins an event; all others belong to the one before.")
    .example("^\\d{4}-\\d\\d-\\d\\d ")
    .optional(),
  continue: pattern
    .about("A line that matches belongs to the event before; all others begin one.")
    .example("^\\s")
    .optional(),
  preset: choice(["java", "python", "go", "node"])
    .about("Stack traces of this language belong to the line before them.")
    .optional(),
  maxLines: integer({ min: 2, max: 10_000 })
    .about("A longer event is cut into several.")
    .default(500),
  maxBytes: size({ min: "1KiB", max: "4MiB" }).default("256KiB"),
  maxWait: duration({ min: "1ms", max: "1m" })
    .about("An event is whole when no line of its stream has come for so long.")
    .default("1s"),
  maxStreams: integer({ min: 1, max: 100_000 })
    .about("Streams with an unfinished event; when one more comes, the oldest is taken as whole.")
    .default(1000),
}).check((value, report) => {
  const given = [value.start, value.continue, value.preset].filter((one) => one !== undefined);
  if (given.length === 1) return;
  const found = given.length === 0 ? "nothing" : "more than one thing";
  report("", `multiline: ${found} says what belongs together, expected start, continue or preset`);
});

type Config = Infer<typeof config>;

export const multiline: TransformDefinition<Config> = {
  name: "multiline",
  summary: "Joins lines of one stream that belong together, such as a stack trace.",
  status: "beta",
  security:
    "Holds one unfinished event for each stream, bounded by lines, bytes, time and streams; its" +
    " lines are acknowledged when the joined event is.",
  config,
  examples: [
    {
      title: "A stack trace of Java",
      config: { preset: "java" },
      lines: [
        "ERROR payment failed",
        "java.io.IOException: closed",
        "\tat shop.Pay.send(Pay.java:12)",
        "Caused by: java.lang.Error: x",
        "\t... 3 more",
        "INFO next",
      ],
      events: [
        {
          message:
            "ERROR payment failed\njava.io.IOException: closed\n\tat shop.Pay.send(Pay.java:12)\nCaused by: java.lang.Error: x\n\t... 3 more",
        },
        { message: "INFO next" },
      ],
    },
    {
      title: "Lines that begin with a date begin an event",
      config: { start: "^\\d{4}-\\d\\d-\\d\\d " },
      lines: ["2026-11-21 one", "and more", "2026-11-21 two"],
      events: [{ message: "2026-11-21 one\nand more" }, { message: "2026-11-21 two" }],
    },
  ],
  create: (settings, context) => new Multiline(settings, context),
};

/** An unfinished event. */
interface Open {
  readonly key: string;
  events: Event[];
  lines: string[];
  bytes: number;
  /** Of the preset: where in a trace it is. */
  state: number;
  /** When its last line came, on the clock. */
  lastMs: number;
}

class Multiline implements Transform {
  #settings: Config;
  #context: TransformContext;
  #continues: Continuation;
  /** By stream, in the order in which their last lines came. */
  #open = new Map<string, Open>();
  #timer: Timer | null = null;

  constructor(settings: Config, context: TransformContext) {
    this.#settings = settings;
    this.#context = context;
    this.#continues = continuationOf(settings);
  }

  apply(events: Event[]): Event[] {
    const out: Event[] = [];
    const nowMs = this.#context.world.clock.now();
    for (const event of events) this.#take(event, nowMs, out);
    this.#arm();
    return out;
  }

  flush(): Event[] {
    const out: Event[] = [];
    for (const open of this.#open.values()) this.#finish(open, out);
    this.#open.clear();
    return out;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #take(event: Event, nowMs: number, out: Event[]): void {
    const { fields } = event;
    const line = fields === null ? event.text() : fields["message"];
    // What has no text is an event of its own.
    if (typeof line !== "string") return void out.push(event);
    const key = streamOf(event);
    let open = this.#open.get(key);
    const state = open === undefined ? 0 : open.state;
    const next = this.#continues(line, state, open !== undefined);
    if (open !== undefined) this.#open.delete(key);
    if (open === undefined || next === null || this.#isFull(open, event)) {
      if (open !== undefined) this.#finish(open, out);
      // A line that goes on keeps the trace's place, also where the event was cut.
      const fresh = next ?? this.#continues(line, 0, false) ?? 0;
      open = { key, events: [], lines: [], bytes: 0, state: fresh, lastMs: nowMs };
    } else open.state = next;
    open.events.push(event);
    open.lines.push(line);
    open.bytes += event.sizeBytes + 1;
    open.lastMs = nowMs;
    this.#context.hold(event);
    this.#open.set(key, open);
    if (this.#open.size > this.#settings.maxStreams) this.#finishOldest(out);
  }

  #isFull({ lines, bytes }: Open, event: Event): boolean {
    const { maxLines, maxBytes } = this.#settings;
    if (lines.length < maxLines && bytes + event.sizeBytes <= maxBytes) return false;
    this.#context.count("cut");
    return true;
  }

  #finishOldest(out: Event[]): void {
    for (const open of this.#open.values()) {
      this.#open.delete(open.key);
      this.#finish(open, out);
      return;
    }
  }

  #finish({ events, lines }: Open, out: Event[]): void {
    const [first] = events;
    if (events.length === 1) return void out.push(first!);
    const fields: Fields = first!.fields === null ? {} : { ...first!.fields };
    fields["message"] = lines.join("\n");
    out.push(this.#context.derive(events, fields));
  }

  /** One timer, for the stream that has waited longest. */
  #arm(): void {
    if (this.#timer !== null || this.#open.size === 0) return;
    const [oldest] = this.#open.values();
    const { clock } = this.#context.world;
    const waitMs = Math.max(0, oldest!.lastMs + this.#settings.maxWait - clock.now());
    this.#timer = clock.after(waitMs, () => this.#expire());
  }

  #expire(): void {
    this.#timer = null;
    const beforeMs = this.#context.world.clock.now() - this.#settings.maxWait;
    const out: Event[] = [];
    for (const open of this.#open.values()) {
      if (open.lastMs > beforeMs) break;
      this.#open.delete(open.key);
      this.#finish(open, out);
    }
    this.#arm();
    this.#context.emit(out);
  }
}

/** Standard output and standard error of a container are streams of their own. */
function streamOf(event: Event): string {
  const { source, stream } = event.origin;
  const own = event.fields?.["stream"];
  return `${source}\u0000${stream}\u0000${typeof own === "string" ? own : ""}`;
}

function continuationOf(settings: Config): Continuation {
  if (settings.preset !== undefined) return STACK_TRACES[settings.preset];
  const written = settings.start ?? settings.continue!;
  const regex = compileSearchRegex(written);
  if (typeof regex === "string") throw new Error(`bug: an unchecked pattern: ${regex}`);
  const goesOn = settings.start === undefined;
  return (line) => (regex.test(line) === goesOn ? 0 : null);
}
