import type { Event, EventClass } from "../../api/event.ts";
import { shedFill } from "../../api/event.ts";
import { list, object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { expression } from "../expression.ts";
import { setAt } from "../expression/path.ts";
import { fieldPath } from "./fields.ts";

const className = text({ maxLength: 100, pattern: /^[\w.-]+$/, expected: "a word such as error" });

const config = object({
  by: expression("event.level").about("What it gives is the class: a text."),
  order: list(className, { min: 1, max: 32, unique: true })
    .about("Classes, the most important first.")
    .example(["error", "warn", "info"]),
  other: className
    .about("The class of all that is not in `order`; it is the least important one.")
    .default("other"),
  field: fieldPath()
    .about("Writes the class into this field too; into none if not given.")
    .optional(),
});

type Config = Infer<typeof config>;

export const classify: TransformDefinition<Config> = {
  name: "classify",
  summary: "Puts events into classes by importance, for shedding, rate limits and routes.",
  status: "beta",
  security:
    "Events of low classes are dropped under pressure only where the step's `shed` or a sink's" +
    " `whenFull: dropLowest` says so; each is counted as `shed:CLASS`.",
  config,
  examples: [
    {
      title: "By a word of the line, kept in a field",
      config: { by: "lower(event.message)", order: ["error", "info"], field: "class" },
      lines: ["ERROR", "hello"],
      events: [
        { message: "ERROR", class: "error" },
        { message: "hello", class: "other" },
      ],
    },
  ],
  create: (settings, context) => new Classify(settings, context),
};

class Classify implements Transform {
  #settings: Config;
  #classes: ReadonlyMap<unknown, EventClass>;
  #other: EventClass;

  constructor(settings: Config, context: TransformContext) {
    this.#settings = settings;
    const { order, other } = settings;
    const names = order.includes(other) ? order : [...order, other];
    const classes = names.map((name, rank): [string, EventClass] => {
      const dropFrom = shedFill(rank, names.length);
      return [name, { name, rank, dropFrom, shedFrom: context.sheds ? dropFrom : 1 }];
    });
    this.#classes = new Map(classes);
    this.#other = this.#classes.get(other)!;
  }

  apply(events: Event[]): Event[] {
    const { by, field } = this.#settings;
    for (const event of events) {
      event.class = this.#classes.get(by(event)) ?? this.#other;
      if (field !== undefined) setAt(event.decode(), field, event.class.name);
    }
    return events;
  }
}
