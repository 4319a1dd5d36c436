import type { Event } from "../../api/event.ts";
import { map, object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformDefinition } from "../component.ts";

const config = object({
  fields: map(text({ minLength: 0, scalars: true }))
    .about("Set on every event, over what the event says of itself.")
    .example({ app: "api", namespace: "shop" }),
});

type Config = Infer<typeof config>;

export const enrich: TransformDefinition<Config> = {
  name: "enrich",
  summary: "Adds fixed fields, such as the app's name, to every event.",
  status: "beta",
  security: "An event cannot claim another app's name: the fields here win.",
  config,
  examples: [
    {
      title: "Which app a line came from",
      config: { fields: { app: "api", namespace: "shop" } },
      lines: ["started"],
      events: [{ message: "started", app: "api", namespace: "shop" }],
    },
  ],
  create: (settings) => new Enrich(settings),
};

class Enrich implements Transform {
  #fields: readonly (readonly [string, string])[];

  constructor(settings: Config) {
    this.#fields = Object.entries(settings.fields);
  }

  apply(events: Event[]): Event[] {
    for (const event of events) {
      const fields = event.decode();
      for (const [name, value] of this.#fields) fields[name] = value;
    }
    return events;
  }
}
