import type { Event, Fields } from "../../api/event.ts";
import { LOGFMT } from "../../codec/key_value.ts";
import { parseHaproxy, parseNginxError } from "../../codec/server_logs.ts";
import { syslogFields } from "../../codec/syslog/message.ts";
import { parseSyslog } from "../../codec/syslog/parse_syslog.ts";
import type { TimeFormat } from "../../codec/time_format.ts";
import { TIME_FORMAT_LETTERS, compileTimeFormat } from "../../codec/time_format.ts";
import { isPlainUtc, isoTime } from "../../codec/time_text.ts";
import { timeZone } from "../../codec/time_zone.ts";
import type { TimeZone } from "../../codec/time_zone.ts";
import type { CheckReport, Infer } from "../../schema/field.ts";
import { choice, list, map, object, oneOf, size, text } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import type { FieldPath } from "../expression/path.ts";
import { removeAt, setAt, valueAt } from "../expression/path.ts";
import type { LineParser } from "../parsers/line_parser.ts";
import {
  accessFields,
  cefFields,
  csvParser,
  grokParser,
  grokProblem,
  keyValueParser,
  parseJson,
  regexParser,
  regexProblem,
} from "../parsers/line_parser.ts";
import { convert, normaliseLevel } from "../parsers/normalise.ts";
import { fieldPath } from "./fields.ts";
import { PARSE_EXAMPLES } from "../parsers/parse_examples.ts";

const nothing = object({});
const oneCharacter = text({ pattern: /^[^\n"]$/, expected: "one character" });
const pattern = text({ maxLength: 8192, expected: "a grok pattern" });
const zone = text({
  expected: 'the name of a time zone such as "Europe/Berlin"',
  check: (name) => (timeZone(name) === null ? "no such zone is known" : null),
});
const timeFormat = text({
  maxLength: 200,
  expected: 'a format such as "dd/MM/yyyy HH:mm:ss"',
  check: (written) => {
    const format = compileTimeFormat(written);
    return typeof format === "string" ? format : null;
  },
});

const formats = {
  regex: text({ maxLength: 8192, check: regexProblem, expected: "a regular expression" })
    .about(
      "Named groups become fields: `^(?<time>\\S+) (?<level>\\w+) (?<message>.*)$`. RE2's syntax:" +
        " no look-around, no back references. A pattern in which each character can be read in one" +
        " way only (`[^\\]]*`, not `.*?`, and `^` at its beginning) runs on the engine of the" +
        " platform, at several hundred MB a second; one that costs the square of a line's length" +
        " does so on short lines; all others run on RE2's engine, which no line makes run away," +
        " at some 20 MB a second.",
    )
    .example("^(?<time>\\S+ \\S+) \\[(?<level>\\w+)\\] (?<message>.*)$")
    .optional(),
  grok: oneOf(
    pattern.as((one): readonly string[] => [one]),
    list(pattern, { min: 1, max: 100 }),
  )
    .about(
      "One pattern, or several that are tried in order: `%{NAME:field}`, `%{NAME:field:int}`. The" +
        " usual names are known. What is said of `regex` holds for what becomes of it.",
    )
    .example("%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} %{GREEDYDATA:message}")
    .optional(),
  json: nothing.about("The line is a JSON object; its members become fields.").optional(),
  logfmt: nothing
    .about('`level=info msg="it works" retry`: pairs, and flags that are true.')
    .optional(),
  keyValue: object({
    pairs: text({ maxLength: 10 }).about("Between one pair and the next.").default(" "),
    separator: text({ maxLength: 10 }).about("Between a key and its value.").default("="),
  })
    .about("Keys and values in another dialect than logfmt's. Every word has to be a pair.")
    .optional(),
  csv: object({
    columns: list(text({ maxLength: 200 }), { min: 1, max: 1000, unique: true })
      .about("The names of the values, in order.")
      .example(["time", "user", "amount"]),
    delimiter: oneCharacter.default(","),
    quote: text({ pattern: /^[^\n]$/, expected: "one character" }).default('"'),
  })
    .about("Comma-separated values (RFC 4180), one record a line, no header.")
    .optional(),
  syslog: object({
    format: choice(["auto", "rfc5424", "rfc3164"]).default("auto"),
  })
    .about("A syslog message, as relays and files hold them.")
    .optional(),
  clf: nothing.about("The Common Log Format of web servers.").optional(),
  combined: nothing.about("The same with referer and user agent.").optional(),
  nginx: object({ log: choice(["access", "error"]).default("access") })
    .about("nginx' access log (its format `combined`) or error log.")
    .optional(),
  haproxy: nothing.about("HAProxy's logs, `option httplog` or `option tcplog`.").optional(),
  cef: nothing.about("ArcSight's Common Event Format, behind any header.").optional(),
};

const FORMATS = Object.keys(formats) as readonly (keyof typeof formats)[];

const config = object({
  ...formats,
  patterns: map(pattern, { max: 100 })
    .about("Patterns of your own for `grok`, by name.")
    .example({ ORDER: "[A-Z]{2}[0-9]{6}" })
    .default({}),
  field: fieldPath().about("What is parsed; it is removed where that worked.").default("message"),
  target: fieldPath().about("Where the fields are put; beside the others if not given.").optional(),
  keepOriginal: fieldPath()
    .about("Keeps what was parsed in this field.")
    .example("original")
    .optional(),
  types: map(choice(["number", "integer", "boolean", "text"]), { max: 1000 })
    .about("Makes numbers and booleans of texts, by field. What cannot be converted stays.")
    .example({ status: "integer" })
    .default({}),
  time: object({
    field: text({ maxLength: 200 })
      .about(
        "Where the time stands; it becomes `time`. `time`, `timestamp`, `@timestamp` or `ts` if not given.",
      )
      .optional(),
    formats: list(timeFormat, { min: 1, max: 20 })
      .about(
        `Tried in order. Letters: ${TIME_FORMAT_LETTERS}, unix, unixMs; other text in 'quotes'.`,
      )
      .example(["dd/MM/yyyy HH:mm:ss"])
      .optional(),
    zone: zone
      .about(
        "Of times that say no zone; UTC if not given. When clocks are set back, a time that comes" +
          " twice is read as the first; when they are set forward, one that is left out is read" +
          " by the offset before.",
      )
      .example("Europe/Berlin")
      .optional(),
  })
    .about(
      "How times are read. Without it ISO 8601, those of access logs, and seconds since 1970 are.",
    )
    .optional(),
  maxBytes: size({ min: "64B", max: "1MiB" })
    .about("A longer line is not parsed.")
    .default("64KiB"),
}).check(checkConfig);

type Config = Infer<typeof config>;

function checkConfig(value: Config, report: CheckReport): void {
  const given = FORMATS.filter((format) => value[format] !== undefined);
  if (given.length > 1 || (given.length === 0 && value.time === undefined)) {
    const found = given.length === 0 ? "no format is given" : "more than one format is given";
    report("", `${found}, expected one of ${FORMATS.join(", ")}`);
  }
  for (const [i, one] of (value.grok ?? []).entries()) {
    const problem = grokProblem(one, value.patterns);
    if (problem !== null)
      report(["grok", ...(value.grok!.length > 1 ? [i] : [])], `grok: ${problem}`);
  }
}

export const parse: TransformDefinition<Config> = {
  name: "parse",
  summary:
    "Makes fields of a line: JSON, regular expression, grok, key and value, CSV, and known logs.",
  status: "beta",
  security:
    "Lines above maxBytes are not parsed, and no regular expression can run away: what is not" +
    " proven to be linear runs on an engine that always is.",
  config,
  examples: PARSE_EXAMPLES,
  create: (settings, context) => new Parse(settings, context),
};

const MAX_KNOWN_TIMES = 256;
const TIME_NAMES = ["timestamp", "@timestamp", "ts"] as const;

class Parse implements Transform {
  #context: TransformContext;
  #settings: Config;
  /** Null where only the time is read. */
  #parser: LineParser | null;
  /** The plainest case: the line itself, and its fields beside the others. */
  #isPlain: boolean;
  #source: FieldPath;
  #types: readonly (readonly [string, Parameters<typeof convert>[1]])[];
  #timeFormats: readonly TimeFormat[] | null;
  #zone: TimeZone | undefined;
  /** Of these events, written another way: a busy server writes the same second often. */
  #knownTimes = new Map<string, string>();

  constructor(settings: Config, context: TransformContext) {
    this.#context = context;
    this.#settings = settings;
    const { time } = settings;
    this.#zone = time?.zone === undefined ? undefined : timeZone(time.zone)!;
    this.#timeFormats =
      time?.formats?.map((written) => {
        const format = compileTimeFormat(written);
        if (typeof format === "string") throw new Error(`bug: an unchecked format: ${format}`);
        return format;
      }) ?? null;
    this.#parser = parserOf(settings, context, this.#zone);
    this.#source = settings.field;
    this.#types = Object.entries(settings.types);
    this.#isPlain =
      this.#source.length === 1 &&
      this.#source[0] === "message" &&
      settings.target === undefined &&
      settings.keepOriginal === undefined;
  }

  apply(events: Event[]): Event[] {
    let kept = 0;
    for (const event of events) {
      const reason = this.#parse(event);
      if (reason === null || this.#context.failed(event, reason)) events[kept++] = event;
    }
    events.length = kept;
    // They are parts of lines, and what a time without a year means depends on today.
    this.#knownTimes.clear();
    return events;
  }

  /** Null where it worked. */
  #parse(event: Event): string | null {
    if (event.sizeBytes > this.#settings.maxBytes) return "too-long";
    if (this.#parser === null) {
      const failed = this.#normaliseTime(event.decode());
      normaliseLevel(event.decode());
      return failed ? "no-time" : null;
    }
    const before = event.fields;
    if (before !== null || !this.#isPlain) return this.#parseField(event, event.decode());
    const fields = this.#parser(event.text());
    if (typeof fields === "string") return fields;
    this.#finish(fields);
    event.fields = fields;
    return null;
  }

  #parseField(event: Event, before: Fields): string | null {
    const { target, keepOriginal } = this.#settings;
    const line = valueAt(before, this.#source);
    if (typeof line !== "string") return this.#isPlain ? "no-message" : "no-field";
    if (line.length > this.#settings.maxBytes) return "too-long";
    const fields = this.#parser!(line);
    if (typeof fields === "string") return fields;
    this.#finish(fields);
    removeAt(before, this.#source);
    if (target === undefined) event.fields = Object.assign(before, fields);
    else if (!setAt(before, target, fields)) {
      setAt(before, this.#source, line);
      return "no-target";
    }
    if (keepOriginal !== undefined) setAt(before, keepOriginal, line);
    return null;
  }

  #finish(fields: Fields): void {
    for (const [name, kind] of this.#types) {
      if (fields[name] !== undefined) fields[name] = convert(fields[name], kind);
    }
    this.#normaliseTime(fields);
    normaliseLevel(fields);
  }

  /** A time that cannot be read stays as it is; true where one was there and could not. */
  #normaliseTime(fields: Fields): boolean {
    const named = this.#settings.time?.field;
    const value = named === undefined ? fields["time"] : undefined;
    if (value !== undefined) {
      const time = this.#isoTime(value);
      if (time !== null) fields["time"] = time;
      return time === null;
    }
    let failed = this.#settings.time !== undefined;
    for (const name of named === undefined ? TIME_NAMES : [named]) {
      if (fields[name] === undefined) continue;
      const time = this.#isoTime(fields[name]);
      failed = time === null;
      if (time === null) continue;
      delete fields[name];
      fields["time"] = time;
      return false;
    }
    return failed;
  }

  #isoTime(value: unknown): string | null {
    if (typeof value !== "string") return this.#readTime(value);
    if (this.#timeFormats === null && isPlainUtc(value)) return value;
    const known = this.#knownTimes.get(value);
    if (known !== undefined) return known;
    const time = this.#readTime(value);
    if (time !== null && this.#knownTimes.size < MAX_KNOWN_TIMES) this.#knownTimes.set(value, time);
    return time;
  }

  #readTime(value: unknown): string | null {
    if (this.#timeFormats === null) return isoTime(value, this.#zone);
    if (typeof value !== "string" && typeof value !== "number") return null;
    const nowMs = this.#context.world.clock.wallMs();
    for (const format of this.#timeFormats) {
      const time = format.parse(String(value), nowMs, this.#zone ?? null);
      if (time !== null) return time;
    }
    return null;
  }
}

function parserOf(
  settings: Config,
  context: TransformContext,
  zone: TimeZone | undefined,
): LineParser | null {
  if (settings.regex !== undefined) return regexParser(settings.regex);
  if (settings.grok !== undefined) return grokParser(settings.grok, settings.patterns);
  if (settings.json !== undefined) return parseJson;
  if (settings.logfmt !== undefined) return keyValueParser(LOGFMT);
  if (settings.keyValue !== undefined)
    return keyValueParser({ ...settings.keyValue, flags: false });
  if (settings.csv !== undefined) return csvParser(settings.csv.columns, settings.csv);
  if (settings.syslog !== undefined) {
    const { format } = settings.syslog;
    const toUtcMs = zone === undefined ? {} : { toUtcMs: zone.toUtcMs };
    return (line) => {
      const message = parseSyslog(line, {
        format,
        nowMs: context.world.clock.wallMs(),
        ...toUtcMs,
      });
      return typeof message === "string" ? message : syslogFields(message);
    };
  }
  if (settings.clf !== undefined) return (line) => accessFields(line, "clf");
  if (settings.combined !== undefined) return (line) => accessFields(line, "combined");
  if (settings.nginx !== undefined) {
    if (settings.nginx.log === "access") return (line) => accessFields(line, "combined");
    return (line) => parseNginxError(line) ?? "no-match";
  }
  if (settings.haproxy !== undefined) return (line) => parseHaproxy(line) ?? "no-match";
  return settings.cef === undefined ? null : cefFields;
}
