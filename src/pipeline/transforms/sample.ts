import type { Event } from "../../api/event.ts";
import { mixedHash } from "../../base/hash.ts";
import { object, percent } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { condition, expression } from "../expression.ts";
import { keyText } from "./fields.ts";

const config = object({
  share: percent().about("What goes on, of all keys.").example("10%"),
  key: expression("event.trace_id")
    .about(
      "Events with the same key all go on or are all dropped, in every process and after every" +
        " restart. Without it each event is its own key, by its place in its stream.",
    )
    .optional(),
  unless: condition().about("Events for which it is true go on in any case.").optional(),
});

type Config = Infer<typeof config>;

export const sample: TransformDefinition<Config> = {
  name: "sample",
  summary: "Lets a share of the events through, chosen by the hash of a key.",
  status: "beta",
  security: "Keeps nothing in memory; every drop is counted as `sampled`.",
  config,
  examples: [
    {
      title: "None but errors, whatever their key",
      config: { share: "0%", unless: 'event.message contains "error"' },
      lines: ["fine", "an error"],
      events: [{ message: "an error" }],
    },
    {
      title: "The same key, the same choice",
      config: { share: "50%", key: "event.message" },
      lines: ["trace-1", "trace-2", "trace-3", "trace-1", "trace-3"],
      events: [{ message: "trace-3" }, { message: "trace-3" }],
    },
  ],
  create: (settings, context) => new Sample(settings, context),
};

class Sample implements Transform {
  #settings: Config;
  #context: TransformContext;
  #below: number;

  constructor(settings: Config, context: TransformContext) {
    this.#settings = settings;
    this.#context = context;
    this.#below = settings.share * 2 ** 32;
  }

  apply(events: Event[]): Event[] {
    const { key, unless } = this.#settings;
    let kept = 0;
    for (const event of events) {
      const name = key === undefined ? event.id : keyText(key(event));
      if (mixedHash(name) < this.#below || unless?.(event) === true) events[kept++] = event;
      else this.#context.drop(event, "sampled");
    }
    events.length = kept;
    return events;
  }
}
