import type { Event } from "../../api/event.ts";
import { choice, map, object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformDefinition } from "../component.ts";
import { condition } from "../expression.ts";
import { setAt } from "../expression/path.ts";
import { fieldPath } from "./fields.ts";

const config = object({
  to: map(condition(), { keyName: "ROUTE", max: 100 })
    .about("Names with their conditions, in order.")
    .example({ audit: 'event.kind == "audit"', errors: 'event.level == "error"' }),
  otherwise: text({ maxLength: 100 })
    .about("The name for events that have none; without it they get none.")
    .optional(),
  field: fieldPath()
    .about("Where the name is written: a sink asks for it with `from: { when: ... }`.")
    .default("route"),
  match: choice(["first", "all"])
    .about("The first name whose condition is true, or a list of all.")
    .default("first"),
});

type Config = Infer<typeof config>;

export const route: TransformDefinition<Config> = {
  name: "route",
  summary: "Names where events should go, for the conditions of sinks and of later steps.",
  status: "beta",
  security: "Adds one field; drops nothing.",
  config,
  examples: [
    {
      title: 'A sink takes its own with from: { when: event.route == "errors" }',
      config: { to: { errors: 'event.message startsWith "ERROR"' }, otherwise: "rest" },
      lines: ["ERROR one", "two"],
      events: [
        { message: "ERROR one", route: "errors" },
        { message: "two", route: "rest" },
      ],
    },
    {
      title: "More than one",
      config: {
        to: { long: "length(event.message) > 3", all: "exists(event.message)" },
        match: "all",
      },
      lines: ["three"],
      events: [{ message: "three", route: ["long", "all"] }],
    },
  ],
  create: (settings) => new RouteStep(settings),
};

class RouteStep implements Transform {
  #settings: Config;
  #routes: readonly (readonly [string, (event: Event) => boolean])[];

  constructor(settings: Config) {
    this.#settings = settings;
    this.#routes = Object.entries(settings.to);
  }

  apply(events: Event[]): Event[] {
    const { field, match, otherwise } = this.#settings;
    for (const event of events) {
      const name = match === "first" ? this.#first(event) : this.#all(event);
      const chosen = name ?? otherwise;
      if (chosen !== undefined) setAt(event.decode(), field, chosen);
    }
    return events;
  }

  #first(event: Event): string | undefined {
    for (const [name, isFor] of this.#routes) if (isFor(event)) return name;
    return undefined;
  }

  #all(event: Event): string[] | undefined {
    const names = this.#routes.filter(([, isFor]) => isFor(event)).map(([name]) => name);
    return names.length === 0 ? undefined : names;
  }
}
