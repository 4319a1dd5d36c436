import { object } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { SourceDefinition } from "../component.ts";
import { FileTail } from "../tail/file_tail.ts";
import { tailFields } from "../tail/tail_fields.ts";

const config = object(tailFields);

type Config = Infer<typeof config>;

export const file: SourceDefinition<Config> = {
  name: "file",
  summary: "Follows log files across every kind of rotation, each line an event.",
  status: "beta",
  security:
    "Reads regular files only. Follows links only where followLinks says so, and never out of the" +
    " declared folders. Opens at most maxFiles. The checkpoint has mode 0600.",
  config,
  examples: [
    {
      title: "All logs of a folder",
      config: { include: ["/logs/*.log"] },
      files: {
        "/logs/a.log": "one\ntwo\n",
        "/logs/b.log": "three\nunfinished",
        "/logs/c.txt": "no\n",
      },
      messages: ["one", "two", "three"],
    },
  ],
  create: (settings, context) => new FileTail(settings, context, context.output),
};
