import type { Event } from "../../api/event.ts";
import { list } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformDefinition } from "../component.ts";
import { removeAt } from "../expression/path.ts";
import { fieldPath } from "./fields.ts";

const config = list(fieldPath(), { min: 1, max: 200 })
  .about("What is not there is passed over.")
  .example(["password", "http.headers.cookie"]);

type Config = Infer<typeof config>;

export const remove: TransformDefinition<Config> = {
  name: "remove",
  summary: "Removes fields.",
  status: "beta",
  security:
    "What is removed here reaches no later step and no sink; dead letters of this step have it.",
  config,
  examples: [
    {
      title: "A field",
      config: ["message", "http.cookie"],
      lines: ["secret"],
      events: [{}],
    },
  ],
  create: (paths) => new Remove(paths),
};

class Remove implements Transform {
  constructor(private readonly paths: Config) {}

  apply(events: Event[]): Event[] {
    for (const event of events) {
      const fields = event.decode();
      for (const path of this.paths) removeAt(fields, path);
    }
    return events;
  }
}
