import type { Event } from "../../api/event.ts";
import { boolean, map, number, object, oneOf, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { expression } from "../expression.ts";
import type { FieldPath } from "../expression/path.ts";
import { parseFieldPath, setAt } from "../expression/path.ts";

const value = oneOf(
  text({ minLength: 0 }).as((fixed) => (): unknown => fixed),
  number().as((fixed) => (): unknown => fixed),
  boolean().as((fixed) => (): unknown => fixed),
  object({ expr: expression("event.a + event.b").about("Computed from the event.") }).as(
    ({ expr }) => expr,
  ),
);

const config = map(value, { keyName: "FIELD", max: 200 })
  .about(
    "A text, number or boolean, or `{ expr: ... }`; in the order in which they stand, each sees" +
      " those before it.",
  )
  .example({ environment: "production", slow: { expr: "event.ms > 500" } })
  .check((fields, report) => {
    for (const name of Object.keys(fields)) {
      if (parseFieldPath(name) === null) report([name], `"${name}" is no place of a field`);
    }
  });

type Config = Infer<typeof config>;

export const set: TransformDefinition<Config> = {
  name: "set",
  summary: "Sets fields to fixed values or to what an expression gives.",
  status: "beta",
  security: "Changes fields of the event; an expression reads nothing else.",
  config,
  examples: [
    {
      title: "A fixed value, one in a field, and two that are computed",
      config: {
        environment: "test",
        "http.ok": true,
        words: { expr: "length(event.message)" },
        long: { expr: "event.words > 3" },
      },
      lines: ["hello"],
      events: [{ message: "hello", environment: "test", http: { ok: true }, words: 5, long: true }],
    },
  ],
  create: (fields, context) => new SetFields(fields, context),
};

class SetFields implements Transform {
  #fields: readonly (readonly [FieldPath, (event: Event) => unknown])[];
  #context: TransformContext;

  constructor(fields: Config, context: TransformContext) {
    this.#fields = Object.entries(fields).map(([name, run]) => [parseFieldPath(name)!, run]);
    this.#context = context;
  }

  apply(events: Event[]): Event[] {
    let kept = 0;
    for (const event of events) {
      if (this.#set(event) || this.#context.failed(event, "no-place")) events[kept++] = event;
    }
    events.length = kept;
    return events;
  }

  #set(event: Event): boolean {
    const fields = event.decode();
    for (const [path, run] of this.#fields) {
      if (path.length === 1) fields[path[0]!] = run(event);
      else if (!setAt(fields, path, run(event))) return false;
    }
    return true;
  }
}
