import type { Event } from "../../api/event.ts";
import { map } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import type { FieldPath } from "../expression/path.ts";
import { parseFieldPath, removeAt, setAt, valueAt } from "../expression/path.ts";
import { fieldPath } from "./fields.ts";

const config = map(fieldPath(), { keyName: "FIELD", max: 200 })
  .about(
    "From the old name to the new one, in the order in which they stand. What is not there is" +
      " passed over; what has the new name already is replaced.",
  )
  .example({ msg: "message", "http.status_code": "status" })
  .check((names, report) => {
    for (const name of Object.keys(names)) {
      if (parseFieldPath(name) === null) report([name], `"${name}" is no place of a field`);
    }
  });

type Config = Infer<typeof config>;

export const rename: TransformDefinition<Config> = {
  name: "rename",
  summary: "Gives fields other names or places.",
  status: "beta",
  security: "Changes the names of fields, and nothing else.",
  config,
  examples: [
    {
      title: "One name, and one out of a field and into another",
      config: { message: "text.first" },
      lines: ["hello"],
      events: [{ text: { first: "hello" } }],
    },
  ],
  create: (names, context) => new Rename(names, context),
};

class Rename implements Transform {
  #names: readonly (readonly [FieldPath, FieldPath])[];
  #context: TransformContext;

  constructor(names: Config, context: TransformContext) {
    this.#names = Object.entries(names).map(([from, to]) => [parseFieldPath(from)!, to]);
    this.#context = context;
  }

  apply(events: Event[]): Event[] {
    let kept = 0;
    for (const event of events) {
      if (this.#rename(event) || this.#context.failed(event, "no-place")) events[kept++] = event;
    }
    events.length = kept;
    return events;
  }

  #rename(event: Event): boolean {
    const fields = event.decode();
    for (const [from, to] of this.#names) {
      const value = valueAt(fields, from);
      if (value === undefined) continue;
      removeAt(fields, from);
      if (setAt(fields, to, value)) continue;
      setAt(fields, from, value);
      return false;
    }
    return true;
  }
}
