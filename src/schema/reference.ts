import type { AnyField, Json } from "./field_core.ts";

/** One field of a reference page. */
export interface ReferenceRow {
  /** `spec.calls.NAME.timeout`, `spec.ingress[].host`. */
  readonly path: string;
  /** What may be written there. */
  readonly expected: string;
  readonly about: string;
  readonly required: boolean;
  /** In the written form; undefined where there is none. */
  readonly default: Json | undefined;
  readonly examples: readonly Json[];
  readonly later: string | null;
  readonly onlyOn: string | null;
}

/** A field and all that are inside it, outermost first. */
export function referenceRows(field: AnyField, path = ""): ReferenceRow[] {
  const { about, defaultWritten, examples, later, onlyOn } = field.meta;
  const rows: ReferenceRow[] = [];
  if (path !== "") {
    rows.push({
      path,
      expected: field.rule.expected,
      about,
      required: !field.mayBeMissing,
      default: defaultWritten,
      examples,
      later: later?.reason ?? null,
      onlyOn,
    });
  }
  if (later !== null) return rows;
  for (const part of field.rule.parts()) {
    rows.push(...innerRows(part.field, joinStep(path, part.step)));
  }
  return rows;
}

/** An item or a value of a map without a text of its own is not worth a row. */
function innerRows(field: AnyField, path: string): ReferenceRow[] {
  const rows = referenceRows(field, path);
  const chosen = path.endsWith("[]") || /(^|\.)[A-Z]+$/.test(path);
  return chosen && field.meta.about === "" ? rows.slice(1) : rows;
}

function joinStep(path: string, step: string): string {
  if (step === "[]") return `${path}[]`;
  const name = step.startsWith("*") ? step.slice(1) : step;
  return path === "" ? name : `${path}.${name}`;
}

/** A written value on one line, as YAML (JSON's notation, bare where it can be). */
export function writtenText(value: Json): string {
  if (typeof value === "string") {
    return /^[A-Za-z0-9./_-][A-Za-z0-9./_%:-]*$/.test(value) ? value : JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => writtenText(item as Json)).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value as Record<string, Json>);
    if (entries.length === 0) return "{}";
    return `{ ${entries.map(([key, item]) => `${key}: ${writtenText(item)}`).join(", ")} }`;
  }
  return String(value);
}
