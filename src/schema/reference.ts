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
  if (!chosen) return rows;
  if (field.meta.about === "") return rows.slice(1);
  return [{ ...rows[0]!, required: false }, ...rows.slice(1)];
}

function joinStep(path: string, step: string): string {
  if (step === "[]") return `${path}[]`;
  const name = step.startsWith("*") ? step.slice(1) : step;
  return path === "" ? name : `${path}.${name}`;
}

/** A written value on one line, as YAML reads it back inside of brackets too. */
export function writtenText(value: Json): string {
  if (typeof value === "string") return isBareText(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => writtenText(item as Json)).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value as Record<string, Json>);
    if (entries.length === 0) return "{}";
    const pairs = entries.map(([key, item]) => `${writtenText(key)}: ${writtenText(item)}`);
    return `{ ${pairs.join(", ")} }`;
  }
  return String(value);
}

/** Whether a text needs no quotes: nothing that YAML takes for a sign, a number or its own word. */
function isBareText(value: string): boolean {
  if (!/^[A-Za-z0-9/][A-Za-z0-9./_%*-]*(?::[A-Za-z0-9./_%*-]+)*$/.test(value)) return false;
  return Number.isNaN(Number(value)) && !/^(?:true|false|null)$/i.test(value);
}
