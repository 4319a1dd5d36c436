import type { Fields } from "../../api/event.ts";
import { compileSearchRegex } from "../../base/search_regex.ts";
import { parseCef } from "../../codec/cef.ts";
import type { CsvDialect } from "../../codec/csv.ts";
import { parseCsv } from "../../codec/csv.ts";
import { parseClf } from "../../codec/clf.ts";
import type { KeyValueOptions } from "../../codec/key_value.ts";
import { parseKeyValue } from "../../codec/key_value.ts";
import { parseFieldPath, setAt } from "../expression/path.ts";
import { expandGrok } from "./grok.ts";

/** What a line holds, or why it does not: a word for the counter and the field `parse_error`. */
export type LineParser = (line: string) => Fields | string;

/** The pattern was checked; its named groups become fields. */
export function regexParser(pattern: string): LineParser {
  const regex = compileSearchRegex(pattern);
  if (typeof regex === "string") throw new Error(`bug: an unchecked pattern: ${regex}`);
  const names: { name: string; index: number }[] = [];
  for (const [i, name] of regex.groupNames.entries()) {
    if (name !== null) names.push({ name, index: i + 1 });
  }
  return (line) => {
    const match = regex.exec(line);
    if (match === null) return "no-match";
    const fields: Fields = {};
    for (let i = 0; i < names.length; i++) {
      const { name, index } = names[i]!;
      const value = match[index];
      // A group in a branch that was not taken.
      if (value !== undefined) fields[name] = value;
    }
    return fields;
  };
}

/** The first pattern that is found counts. */
export function grokParser(
  patterns: readonly string[],
  own: Readonly<Record<string, string>>,
): LineParser {
  const parsers = patterns.map((pattern) => oneGrok(pattern, own));
  return (line) => {
    for (const parser of parsers) {
      const fields = parser(line);
      if (fields !== "no-match") return fields;
    }
    return "no-match";
  };
}

function oneGrok(pattern: string, own: Readonly<Record<string, string>>): LineParser {
  const grok = expandGrok(pattern, own);
  if (typeof grok === "string") throw new Error(`bug: an unchecked pattern: ${grok}`);
  const regex = compileSearchRegex(grok.regex);
  if (typeof regex === "string") throw new Error(`bug: an unchecked pattern: ${regex}`);
  const places = regex.groupNames.flatMap((name, i) => {
    if (name === null) return [];
    const field = grok.fields[Number(name.slice(1))]!;
    return [{ index: i + 1, path: parseFieldPath(field.name)!, type: field.type }];
  });
  return (line) => {
    const match = regex.exec(line);
    if (match === null) return "no-match";
    const fields: Fields = {};
    for (const { index, path, type } of places) {
      const text = match[index];
      if (text === undefined) continue;
      const value = type === "text" ? text : grokNumber(text, type);
      if (path.length === 1) fields[path[0]!] = value;
      else setAt(fields, path, value);
    }
    return fields;
  };
}

function grokNumber(text: string, type: "int" | "float"): unknown {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) return text;
  return type === "int" ? Math.trunc(value) : value;
}

/** What is wrong with a grok pattern, or null. */
export function grokProblem(pattern: string, own: Readonly<Record<string, string>>): string | null {
  const grok = expandGrok(pattern, own);
  if (typeof grok === "string") return grok;
  const bad = grok.fields.find(({ name }) => parseFieldPath(name) === null);
  if (bad !== undefined) return `"${bad.name}" cannot be the name of a field`;
  const regex = compileSearchRegex(grok.regex);
  return typeof regex === "string" ? regex : null;
}

/** What is wrong with a regular expression that has to name fields, or null. */
export function regexProblem(pattern: string): string | null {
  const regex = compileSearchRegex(pattern);
  if (typeof regex === "string") return regex;
  if (regex.groupNames.some((name) => name !== null)) return null;
  return "give it named groups, such as (?<level>\\w+)";
}

export function parseJson(line: string): Fields | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "not-json";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "not-an-object";
  return value as Fields;
}

export function keyValueParser(options: KeyValueOptions): LineParser {
  return (line) => parseKeyValue(line, options) ?? "no-match";
}

/** Values without a column, and columns without a value, are a mistake of the line. */
export function csvParser(columns: readonly string[], dialect: CsvDialect): LineParser {
  return (line) => {
    const values = parseCsv(line, dialect);
    if (values === null) return "no-match";
    if (values.length !== columns.length) return "wrong-columns";
    const fields: Fields = {};
    for (let i = 0; i < columns.length; i++) fields[columns[i]!] = values[i];
    return fields;
  };
}

export function cefFields(line: string): Fields | string {
  const event = parseCef(line);
  if (event === null) return "no-match";
  const fields: Fields = {
    vendor: event.vendor,
    product: event.product,
    product_version: event.deviceVersion,
    signature: event.signature,
    // `severity` is a name of the level elsewhere, in other words.
    cef_severity: event.severity,
    message: event.extensions["msg"] ?? event.name,
    name: event.name,
    extensions: event.extensions,
  };
  const { end, rt } = event.extensions;
  if (rt !== undefined || end !== undefined) fields["time"] = rt ?? end;
  if (event.prefix !== "") fields["prefix"] = event.prefix;
  return fields;
}

export function accessFields(line: string, format: "clf" | "combined"): Fields | string {
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
