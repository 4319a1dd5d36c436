import type { Event } from "../../api/event.ts";
import { sha256Hex } from "../../base/hash.ts";
import { duration, integer, list, object } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { eventJson } from "../event_json.ts";
import { valueAt } from "../expression/path.ts";
import { fieldPath, keyText } from "./fields.ts";

const config = object({
  fields: list(fieldPath(), { min: 1, max: 50 })
    .about("Events whose fields here are equal are the same; all fields if not given.")
    .example(["user", "message"])
    .optional(),
  window: duration({ min: "10ms", max: "7d" })
    .about("For how long after the first one others are dropped.")
    .default("1m"),
  maxKeys: integer({ min: 1, max: 1_000_000 })
    .about("Events that are remembered; the oldest is forgotten first, and may then come again.")
    .default(10_000),
});

type Config = Infer<typeof config>;

export const dedupe: TransformDefinition<Config> = {
  name: "dedupe",
  summary: "Drops events that were there before, within a time.",
  status: "beta",
  security:
    "What it remembers is bounded by maxKeys (long events by their SHA-256) and is lost on a" +
    " restart; every drop is counted as `duplicate`.",
  config,
  examples: [
    {
      title: "The same line twice",
      config: { window: "10m" },
      lines: ["disk is full", "disk is full", "disk is fine"],
      events: [{ message: "disk is full" }, { message: "disk is fine" }],
    },
  ],
  create: (settings, context) => new Dedupe(settings, context),
};

/** A longer key is remembered by its hash. */
const MAX_PLAIN_KEY = 128;

class Dedupe implements Transform {
  #settings: Config;
  #context: TransformContext;
  /** By key, when it was seen first; in that order. */
  #seen = new Map<string, number>();

  constructor(settings: Config, context: TransformContext) {
    this.#settings = settings;
    this.#context = context;
  }

  apply(events: Event[]): Event[] {
    const { window, maxKeys } = this.#settings;
    const nowMs = this.#context.world.clock.now();
    this.#forget(nowMs - window);
    let kept = 0;
    for (const event of events) {
      const key = this.#key(event);
      if (this.#seen.has(key)) {
        this.#context.drop(event, "duplicate");
        continue;
      }
      if (this.#seen.size >= maxKeys) this.#seen.delete(this.#seen.keys().next().value!);
      this.#seen.set(key, nowMs);
      events[kept++] = event;
    }
    events.length = kept;
    return events;
  }

  #key(event: Event): string {
    const { fields } = this.#settings;
    let key: string;
    if (fields === undefined) key = event.fields === null ? event.text() : eventJson(event);
    else {
      const all = event.decode();
      key = fields.map((path) => keyText(valueAt(all, path))).join("\u0000");
    }
    return key.length <= MAX_PLAIN_KEY ? key : `${key.length}:${sha256Hex(key)}`;
  }

  #forget(beforeMs: number): void {
    for (const [key, seenMs] of this.#seen) {
      if (seenMs > beforeMs) return;
      this.#seen.delete(key);
    }
  }
}
