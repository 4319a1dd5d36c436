import type { Event, Fields } from "../../api/event.ts";
import { parseClf } from "../../codec/clf.ts";
import { isoTime } from "../../codec/time_text.ts";
import { object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";

const nothing = object({});

const config = object({
  regex: text({ maxLength: 8192, check: regexProblem, expected: "a regular expression" })
    .about("Named groups become fields: `^(?<time>\\S+) (?<level>\\w+) (?<message>.*)$`.")
    .example("^(?<time>\\S+ \\S+) \\[(?<level>\\w+)\\] (?<message>.*)$")
    .optional(),
  json: nothing.about("The line is a JSON object; its members become fields.").optional(),
  clf: nothing.about("The Common Log Format of web servers.").optional(),
  combined: nothing.about("The same with referer and user agent.").optional(),
  maxBytes: size({ min: "64B", max: "1MiB" })
    .about(
      "A longer line is not parsed: it bounds what an unlucky regular expression can cost." +
        " (Pipelines run in a process of their own, so that one never stalls traffic.)",
    )
    .default("64KiB"),
}).check((value, report) => {
  const { regex, json, clf, combined } = value;
  const given = [regex, json, clf, combined].filter((format) => format !== undefined);
  if (given.length === 1) return;
  const found = given.length === 0 ? "no format is given" : "more than one format is given";
  report("", `parse: ${found}, expected one of regex, json, clf, combined`);
});

type Config = Infer<typeof config>;

/** What a line holds, or why it does not: a word for the counter and the field `parse_error`. */
type Parser = (line: string) => Fields | string;

export const parse: TransformDefinition<Config> = {
  name: "parse",
  summary: "Makes fields of a line: by regular expression, JSON, or a web server's log format.",
  status: "beta",
  security:
    "Lines above maxBytes are not parsed. A regular expression that backtracks without end can" +
    " stall its pipeline, which is a process of its own, and nothing else.",
  config,
  examples: [
    {
      title: "A regular expression with named groups; time and level in one form",
      config: { regex: "^(?<time>\\S+ \\S+) \\[(?<level>\\w+)\\] (?<event>\\w+) (?<rest>.*)$" },
      lines: ["2026-11-21 09:15:18,250 [WARN] retry attempt=2", "odd"],
      events: [
        { time: "2026-11-21T09:15:18.250Z", level: "warn", event: "retry", rest: "attempt=2" },
        { message: "odd", parse_error: "no-match" },
      ],
    },
    {
      title: "JSON; members that mean the time or the level get those names",
      config: { json: {} },
      lines: ['{"ts":1795252518.25,"severity":"ERROR","message":"no stock","sku":7}', '{"cut": '],
      events: [
        { time: "2026-11-21T09:15:18.250Z", level: "error", message: "no stock", sku: 7 },
        { message: '{"cut": ', parse_error: "not-json" },
      ],
    },
    {
      title: "The Common Log Format",
      config: { clf: {} },
      lines: ['127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326'],
      events: [
        {
          client: "127.0.0.1",
          user: "frank",
          time: "2000-10-10T20:55:36.000Z",
          method: "GET",
          path: "/a",
          protocol: "HTTP/1.0",
          status: 200,
          bytes: 2326,
        },
      ],
    },
    {
      title: "The combined format",
      config: { combined: {} },
      lines: ['::1 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 304 - "-" "curl/8.0"'],
      events: [
        {
          client: "::1",
          time: "2000-10-10T13:55:36.000Z",
          method: "GET",
          path: "/",
          protocol: "HTTP/1.1",
          status: 304,
          user_agent: "curl/8.0",
        },
      ],
    },
  ],
  create: (settings, context) => new Parse(settings, context),
};

class Parse implements Transform {
  #context: TransformContext;
  #parser: Parser;
  #maxBytes: number;
  #lastTime: unknown = null;
  #lastIso: string | null = null;

  constructor(settings: Config, context: TransformContext) {
    this.#context = context;
    this.#parser = parserOf(settings);
    this.#maxBytes = settings.maxBytes;
  }

  apply(events: Event[]): Event[] {
    let kept = 0;
    for (const event of events) {
      const reason = this.#parse(event);
      if (reason === null || this.#context.failed(event, reason)) events[kept++] = event;
    }
    events.length = kept;
    return events;
  }

  /** Null where it worked. */
  #parse(event: Event): string | null {
    if (event.sizeBytes > this.#maxBytes) return "too-long";
    const before = event.fields;
    const line = before === null ? event.text() : before["message"];
    if (typeof line !== "string") return "no-message";
    const fields = this.#parser(line);
    if (typeof fields === "string") return fields;
    this.#normaliseTime(fields);
    normaliseLevel(fields);
    if (before === null) event.fields = fields;
    else {
      delete before["message"];
      Object.assign(before, fields);
    }
    return null;
  }

  /** A time that cannot be read stays as it is. */
  #normaliseTime(fields: Fields): void {
    const value = fields["time"];
    if (value !== undefined) {
      const time = this.#isoTime(value);
      if (time !== null) fields["time"] = time;
      return;
    }
    for (const name of TIME_NAMES) {
      const time = fields[name] === undefined ? null : this.#isoTime(fields[name]);
      if (time === null) continue;
      delete fields[name];
      fields["time"] = time;
      return;
    }
  }

  /** A busy server writes the same second many times. */
  #isoTime(value: unknown): string | null {
    if (value === this.#lastTime) return this.#lastIso;
    this.#lastTime = value;
    this.#lastIso = isoTime(value);
    return this.#lastIso;
  }
}

function parserOf(settings: Config): Parser {
  if (settings.regex !== undefined) return regexParser(settings.regex);
  if (settings.json !== undefined) return parseJson;
  const format = settings.clf !== undefined ? "clf" : "combined";
  return (line) => access(line, format);
}

function regexParser(source: string): Parser {
  const pattern = new RegExp(source);
  // All groups are in each match, taken or not.
  let names: readonly string[] | null = null;
  return (line) => {
    const groups = pattern.exec(line)?.groups;
    if (groups === undefined) return "no-match";
    names ??= Object.keys(groups);
    const fields: Fields = {};
    for (const name of names) {
      const value = groups[name];
      // A group in a branch that was not taken.
      if (value !== undefined) fields[name] = value;
    }
    return fields;
  };
}

function regexProblem(source: string): string | null {
  try {
    new RegExp(source);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return /\(\?<[^=!]/.test(source) ? null : "give it named groups, such as (?<level>\\w+)";
}

function parseJson(line: string): Fields | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "not-json";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "not-an-object";
  return value as Fields;
}

function access(line: string, format: "clf" | "combined"): Fields | string {
  const record = parseClf(line, format);
  if (record === null) return "no-match";
  const fields: Fields = { client: record.client };
  if (record.ident !== null) fields["ident"] = record.ident;
  if (record.user !== null) fields["user"] = record.user;
  fields["time"] = record.time;
  if (record.method !== null) {
    fields["method"] = record.method;
    fields["path"] = record.target;
    if (record.protocol !== null) fields["protocol"] = record.protocol;
  } else fields["request"] = record.request;
  fields["status"] = record.status;
  if (record.bytes !== null) fields["bytes"] = record.bytes;
  if (record.referer !== null) fields["referer"] = record.referer;
  if (record.agent !== null) fields["user_agent"] = record.agent;
  return fields;
}

const TIME_NAMES = ["timestamp", "@timestamp", "ts"] as const;
const LEVEL_NAMES = ["severity", "lvl", "loglevel"] as const;

/** pino's and bunyan's numbers. */
const LEVEL_NUMBERS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

const LEVEL_WORDS: Readonly<Record<string, string>> = {
  warning: "warn",
  err: "error",
  information: "info",
};

function normaliseLevel(fields: Fields): void {
  let name: string | undefined = "level";
  if (fields[name] === undefined) name = LEVEL_NAMES.find((other) => fields[other] !== undefined);
  if (name === undefined) return;
  const value = fields[name];
  let level: string | undefined;
  if (typeof value === "number") level = LEVEL_NUMBERS[value];
  else if (typeof value === "string") level = value.trim().toLowerCase();
  if (level === undefined) return;
  if (name !== "level") delete fields[name];
  fields["level"] = Object.hasOwn(LEVEL_WORDS, level) ? LEVEL_WORDS[level] : level;
}
