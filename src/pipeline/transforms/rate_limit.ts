import type { Event } from "../../api/event.ts";
import { TokenBuckets } from "../../policy/token_bucket.ts";
import { duration, integer, map, object } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";

const rate = integer({ min: 0, max: 1_000_000_000 });

const config = object({
  classes: map(rate, { keyName: "CLASS", max: 32 })
    .about(
      "Events of a class in each `per`; 0 lets none through. A class that is not here is not limited.",
    )
    .example({ info: 1000, debug: 10 }),
  unclassified: rate.about("Of events that no `classify` step has put into a class.").optional(),
  per: duration({ min: "10ms", max: "1d" }).default("1s"),
});

type Config = Infer<typeof config>;

export const rateLimit: TransformDefinition<Config> = {
  name: "rateLimit",
  summary: "Lets so many events of each class through in a time; drops what comes above.",
  status: "beta",
  security: "Stands behind a `classify` step; every drop is counted as `rate-limited:CLASS`.",
  config,
  examples: [
    {
      title: "Events that nobody has classified",
      config: { classes: { info: 100 }, unclassified: 2, per: "1m" },
      lines: ["one", "two", "three"],
      events: [{ message: "one" }, { message: "two" }],
    },
  ],
  create: (settings, context) => new RateLimit(settings, context),
};

/** The name of events without a class, in reasons. */
const NONE = "unclassified";

class RateLimit implements Transform {
  /** Null where nothing comes through. */
  #limits = new Map<string, TokenBuckets | null>();
  #context: TransformContext;

  constructor({ classes, unclassified, per }: Config, context: TransformContext) {
    this.#context = context;
    const put = (name: string, tokens: number): void => {
      // One bucket for each class.
      const limit =
        tokens === 0 ? null : new TokenBuckets({ burst: tokens, tokens, perMs: per }, 1);
      this.#limits.set(name, limit);
    };
    for (const [name, tokens] of Object.entries(classes)) put(`class ${name}`, tokens);
    if (unclassified !== undefined) put(NONE, unclassified);
  }

  apply(events: Event[]): Event[] {
    const nowMs = this.#context.world.clock.now();
    let kept = 0;
    for (const event of events) {
      const name = event.class?.name ?? NONE;
      const limit = this.#limits.get(event.class === null ? NONE : `class ${name}`);
      if (limit === undefined || limit?.take("", nowMs).allowed === true) events[kept++] = event;
      else this.#context.drop(event, `rate-limited:${name}`);
    }
    events.length = kept;
    return events;
  }
}
