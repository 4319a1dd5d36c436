import type { Event } from "../../api/event.ts";
import type { Timer } from "../../base/world.ts";
import { duration, integer, object, size } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import type { FieldPath } from "../expression/path.ts";
import { setAt } from "../expression/path.ts";
import { fieldPath } from "./fields.ts";

const config = object({
  maxEvents: integer({ min: 1, max: 10_000 }).default(100),
  maxBytes: size({ min: "1KiB", max: "8MiB" }).default("1MiB"),
  maxAge: duration({ min: "1ms", max: "10m" }).default("1s"),
  into: fieldPath().about("The field that holds the list of events.").default("events"),
});

type Config = Infer<typeof config>;

export const batch: TransformDefinition<Config> = {
  name: "batch",
  summary: "Makes one event of many, for receivers that want a list. Sinks batch by themselves.",
  status: "beta",
  security:
    "Holds events of one batch, bounded by number, bytes and age; they are acknowledged when the" +
    " batch is.",
  config,
  examples: [
    {
      title: "Two events a document",
      config: { maxEvents: 2 },
      lines: ["one", "two", "three"],
      events: [
        { events: [{ message: "one" }, { message: "two" }] },
        { events: [{ message: "three" }] },
      ],
    },
  ],
  create: (settings, context) => new Batch(settings, context),
};

class Batch implements Transform {
  #settings: Config;
  #context: TransformContext;
  #into: FieldPath;
  #events: Event[] = [];
  #bytes = 0;
  #timer: Timer | null = null;

  constructor(settings: Config, context: TransformContext) {
    this.#settings = settings;
    this.#context = context;
    this.#into = settings.into;
  }

  apply(events: Event[]): Event[] {
    const { maxEvents, maxBytes, maxAge } = this.#settings;
    const out: Event[] = [];
    for (const event of events) {
      if (this.#events.length > 0 && this.#bytes + event.sizeBytes > maxBytes) this.#close(out);
      this.#context.hold(event);
      this.#events.push(event);
      this.#bytes += event.sizeBytes;
      if (this.#events.length >= maxEvents) this.#close(out);
    }
    if (this.#events.length > 0) {
      this.#timer ??= this.#context.world.clock.after(maxAge, () => {
        this.#timer = null;
        this.#context.emit(this.flush());
      });
    }
    return out;
  }

  flush(): Event[] {
    const out: Event[] = [];
    if (this.#events.length > 0) this.#close(out);
    return out;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #close(out: Event[]): void {
    const fields = {};
    setAt(
      fields,
      this.#into,
      this.#events.map((event) => event.decode()),
    );
    out.push(this.#context.derive(this.#events, fields));
    this.#events = [];
    this.#bytes = 0;
    this.#timer?.cancel();
    this.#timer = null;
  }
}
