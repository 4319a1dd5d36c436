import type { Event } from "../../api/event.ts";
import { TokenBuckets } from "../../policy/token_bucket.ts";
import { duration, integer, object } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { expression } from "../expression.ts";
import { keyText } from "./fields.ts";

const config = object({
  events: integer({ min: 1, max: 1_000_000_000 })
    .about("As many go on in each `per`.")
    .example(100),
  per: duration({ min: "10ms", max: "1d" }).default("1s"),
  key: expression("event.user")
    .about("A limit of its own for each value; one for all events if not given.")
    .optional(),
  maxKeys: integer({ min: 1, max: 1_000_000 })
    .about("Keys that are remembered: the one that was not seen for longest is forgotten first.")
    .default(10_000),
});

type Config = Infer<typeof config>;

export const throttle: TransformDefinition<Config> = {
  name: "throttle",
  summary: "Lets so many events through in a time, of all or of each key; drops what comes above.",
  status: "beta",
  security: "What it remembers is bounded by maxKeys; every drop is counted as `throttled`.",
  config,
  examples: [
    {
      title: "One line of each kind in a minute",
      config: { events: 1, per: "1m", key: "event.message" },
      lines: ["a", "b", "a"],
      events: [{ message: "a" }, { message: "b" }],
    },
  ],
  create: (settings, context) => new Throttle(settings, context),
};

class Throttle implements Transform {
  #settings: Config;
  #context: TransformContext;
  #limits: TokenBuckets;

  constructor(settings: Config, context: TransformContext) {
    const { events, per, maxKeys } = settings;
    this.#settings = settings;
    this.#context = context;
    this.#limits = new TokenBuckets({ burst: events, tokens: events, perMs: per }, maxKeys);
  }

  apply(events: Event[]): Event[] {
    const nowMs = this.#context.world.clock.now();
    const { key } = this.#settings;
    let kept = 0;
    for (const event of events) {
      const name = key === undefined ? "" : keyText(key(event));
      if (this.#limits.take(name, nowMs).allowed) events[kept++] = event;
      else this.#context.drop(event, "throttled");
    }
    events.length = kept;
    return events;
  }
}
