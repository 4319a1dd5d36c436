import type { Fields } from "../../api/event.ts";
import { parseCsv } from "../../codec/csv.ts";

/** Rows by their key as a text. */
export type LookupTable = ReadonlyMap<string, Readonly<Fields>>;

const DIALECT = { delimiter: ",", quote: '"' };

/**
 * A table from the text of its file, or what is wrong with it. `columns`: those that count; null for
 * all but the key. Where a key comes twice, the last row counts.
 */
export function parseLookupTable(
  written: string,
  format: "csv" | "json",
  key: string | null,
  columns: readonly string[] | null,
): LookupTable | string {
  const text = written.replace(/^\uFEFF/, "");
  const rows = format === "csv" ? csvRows(text) : jsonRows(text, key);
  if (typeof rows === "string") return rows;
  const table = new Map<string, Readonly<Fields>>();
  for (const { name, place, fields } of rows) {
    const value = name ?? (key === null ? undefined : fields[key]);
    if (typeof value !== "string" && typeof value !== "number") {
      return `${place} has no text or number as "${key}"`;
    }
    const row: Fields = {};
    for (const column of columns ?? Object.keys(fields)) {
      if (columns === null && name === null && column === key) continue;
      if (fields[column] !== undefined) row[column] = fields[column];
      else if (columns !== null && format === "csv") return `there is no column "${column}"`;
    }
    table.set(String(value), row);
  }
  return table;
}

interface Row {
  /** For people. */
  readonly place: string;
  /** The key itself, where the rows are an object's members. */
  readonly name: string | null;
  readonly fields: Fields;
}

function csvRows(text: string): readonly Row[] | string {
  const lines = text.split(/\r?\n/);
  const names = parseCsv(lines[0] ?? "", DIALECT);
  if (names === null || lines[0] === "") return "its first line does not name the columns";
  const rows: Row[] = [];
  for (let i = 1; i < lines.length; i++) {
    if (lines[i] === "") continue;
    const values = parseCsv(lines[i]!, DIALECT);
    const place = `line ${i + 1}`;
    if (values === null) return `${place}: a quote is not closed, or stands within a value`;
    if (values.length !== names.length) {
      return `${place} has ${values.length} values, its first line names ${names.length}`;
    }
    const fields = Object.fromEntries(names.map((name, column) => [name, values[column]]));
    rows.push({ place, name: null, fields });
  }
  return rows;
}

function jsonRows(text: string, key: string | null): readonly Row[] | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (typeof value !== "object" || value === null) return "it is neither a list nor an object";
  const isList = Array.isArray(value);
  if (isList && key === null) return "it is a list, which needs key";
  const rows: Row[] = [];
  for (const [name, fields] of Object.entries(value as object)) {
    const place = isList ? `item ${Number(name) + 1}` : `"${name}"`;
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
      return `${place} is no object`;
    }
    rows.push({ place, name: isList ? null : name, fields: fields as Fields });
  }
  return rows;
}
