import { choice, list, object, text } from "../schema/field.ts";
import { nearest } from "../schema/spelling.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";

/** How a line becomes fields. `pattern` is null unless the format is `regex`. */
export interface LogParse {
  readonly format: "regex" | "json" | "clf" | "combined";
  readonly pattern: string | null;
}

const LOG_FORMATS = ["json", "clf", "combined"] as const;

const logParse = text({
  expected: '"json", "clf", "combined" or a regular expression with named groups',
  check: checkLogParse,
  maxLength: 4096,
}).as((written): LogParse => {
  const known = LOG_FORMATS.find((format) => format === written);
  return known === undefined
    ? { format: "regex", pattern: written }
    : { format: known, pattern: null };
});

function checkLogParse(written: string): string | null {
  if ((LOG_FORMATS as readonly string[]).includes(written)) return null;
  if (/^\w+$/.test(written)) {
    const meant = nearest(written, LOG_FORMATS);
    if (meant !== null) return `did you mean "${meant}"?`;
  }
  try {
    new RegExp(written);
  } catch (error) {
    return `as a regular expression it does not work: ${(error as Error).message}`;
  }
  const named = /\(\?<[A-Za-z_]\w*>/.test(written);
  return named ? null : "name at least one group, for example (?<level>\\w+)";
}

const logFile = text({
  expected: 'a file such as "logs/events.log", without ".." and "*"',
  pattern: /^(?!.*(?:^|\/)\.\.(?:\/|$))[^\0*?]+$/,
  advise: (written) => (written.includes("..") ? 'leave ".." out' : "name one file, without *"),
  maxLength: 4096,
});

/** An item of `logs`. */
export const log = object({
  name: text({ pattern: LABEL_PATTERN, expected: LABEL_EXPECTED })
    .about("Names its pipeline in metrics and checkpoints. The file's name by default.")
    .optional(),
  file: logFile
    .about("Followed across rotation; from the app's working folder, here and in the container.")
    .example("logs/events.log"),
  parse: logParse
    .about(
      "`json`, `clf` (the Common Log Format), `combined` (with referrer and agent), or a regular " +
        "expression whose named groups become fields. Without it a line is one message.",
    )
    .example("json")
    .example("^(?<time>\\S+) (?<level>\\w+) (?<rest>.*)$")
    .optional(),
  to: list(choice(["stdout", "elasticsearch"]), { min: 1, unique: true })
    .about("`stdout` as JSON lines; `elasticsearch` as the Mesh's sinks say. stdout by default.")
    .default(["stdout"])
    .example(["stdout", "elasticsearch"]),
});
