import type { Event } from "../../api/event.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { condition } from "../expression.ts";

const config = condition().about(
  "Events for which it is true go on; the others are dropped, counted as `filtered`.",
);

type Config = Infer<typeof config>;

export const filter: TransformDefinition<Config> = {
  name: "filter",
  summary: "Lets events through for which a condition is true.",
  status: "beta",
  security: "Reads the event and nothing else; a condition has no loops and cannot fail.",
  config,
  examples: [
    {
      title: "A word in lines that nothing has parsed",
      config: '!(event.message contains "/healthz")',
      lines: ["GET /healthz", "GET /orders"],
      events: [{ message: "GET /orders" }],
    },
    {
      title: "A regular expression",
      config: 'matches(event.message, "^(GET|HEAD) /orders/[0-9]+$")',
      lines: ["GET /orders/12", "GET /orders/x"],
      events: [{ message: "GET /orders/12" }],
    },
  ],
  create: (passes, context) => new Filter(passes, context),
};

class Filter implements Transform {
  constructor(
    private readonly passes: Config,
    private readonly context: TransformContext,
  ) {}

  apply(events: Event[]): Event[] {
    let kept = 0;
    for (const event of events) {
      if (this.passes(event)) events[kept++] = event;
      else this.context.drop(event, "filtered");
    }
    events.length = kept;
    return events;
  }
}
