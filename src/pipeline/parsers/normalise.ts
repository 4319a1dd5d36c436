import type { Fields } from "../../api/event.ts";

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

const LEVEL_WORDS: ReadonlyMap<string, string> = new Map([
  ["warning", "warn"],
  ["err", "error"],
  ["information", "info"],
]);

/** Levels that need no work: most of them. */
const KNOWN: ReadonlySet<unknown> = new Set(
  "trace debug info notice warn error crit fatal alert emerg".split(" "),
);

/** `level` in lower case and one word for each; other names of it become `level`. */
export function normaliseLevel(fields: Fields): void {
  let name: string | undefined = "level";
  let value = fields[name];
  if (KNOWN.has(value)) return;
  if (value === undefined) {
    name = LEVEL_NAMES.find((other) => fields[other] !== undefined);
    if (name === undefined) return;
    value = fields[name];
  }
  let level: string | undefined;
  if (typeof value === "number") level = LEVEL_NUMBERS[value];
  else if (typeof value === "string") level = value.trim().toLowerCase();
  if (level === undefined) return;
  if (name !== "level") delete fields[name];
  fields["level"] = LEVEL_WORDS.get(level) ?? level;
}

/** What `types` of a step make of a text. */
export type ValueKind = "number" | "integer" | "boolean" | "text";

/** The value itself where it cannot be that. */
export function convert(value: unknown, kind: ValueKind): unknown {
  if (kind === "text") {
    return typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  }
  if (typeof value !== "string") {
    return kind === "integer" && typeof value === "number" ? Math.trunc(value) : value;
  }
  if (kind === "boolean") {
    const word = value.toLowerCase();
    return TRUE.has(word) ? true : FALSE.has(word) ? false : value;
  }
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)) return value;
  const number = Number(value);
  if (!Number.isFinite(number)) return value;
  return kind === "integer" ? Math.trunc(number) : number;
}

const TRUE: ReadonlySet<string> = new Set(["true", "yes", "on", "1"]);
const FALSE: ReadonlySet<string> = new Set(["false", "no", "off", "0"]);
