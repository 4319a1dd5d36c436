import { GROK_PATTERNS } from "./grok_patterns.ts";

export type GrokType = "int" | "float" | "text";

/** A grok pattern as a regular expression; its n-th named group is the n-th field. */
export interface Grok {
  readonly regex: string;
  readonly fields: readonly { readonly name: string; readonly type: GrokType }[];
}

/** `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}`; fields as `status`, `http.status`, `[http][status]`. */
const REFERENCE = /%\{([A-Za-z0-9_]+)(?::([A-Za-z0-9_@.[\]-]+))?(?::(int|float|string))?\}/g;
const OWN_GROUP = /\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>/g;

const MAX_DEPTH = 20;
const MAX_LENGTH = 65_536;

/** Expands the names in it; returns what is wrong as a text. `own` patterns win over the library's. */
export function expandGrok(pattern: string, own: Readonly<Record<string, string>>): Grok | string {
  const fields: { name: string; type: GrokType }[] = [];
  let problem: string | null = null;
  let length = 0;
  const expand = (text: string, depth: number): string => {
    if (depth > MAX_DEPTH) problem ??= "patterns that name each other in a circle, or too deep";
    if (problem !== null) return "";
    let regex = "";
    let from = 0;
    // Groups and references in the order in which they open: that numbers the fields.
    const found = [...text.matchAll(REFERENCE), ...text.matchAll(OWN_GROUP)].sort(
      (a, b) => a.index - b.index,
    );
    for (const match of found) {
      regex += text.slice(from, match.index);
      from = match.index + match[0].length;
      if (!match[0].startsWith("%")) {
        regex += group(match[1]!, "text");
        continue;
      }
      const [, name, field, type] = match;
      const body = lookup(name!, own);
      if (body === null) problem ??= `%{${name}} is no known pattern`;
      const open = field === undefined ? "(?:" : group(fieldName(field), typeOf(type));
      regex += `${open}${expand(body ?? "", depth + 1)})`;
    }
    regex += text.slice(from);
    length += regex.length;
    if (length > MAX_LENGTH * 4) problem ??= "it becomes too long";
    return regex;
  };
  const group = (name: string, type: GrokType): string => {
    fields.push({ name, type });
    return `(?<f${fields.length - 1}>`;
  };
  const regex = expand(pattern, 0);
  if (problem === null && /%\{/.test(regex))
    problem = "%{...} is %{NAME}, %{NAME:field} or %{NAME:field:int}";
  if (problem === null && regex.length > MAX_LENGTH) problem = "it becomes too long";
  if (problem !== null) return problem;
  if (fields.length === 0) return "it names no field: write %{NAME:field}";
  return { regex, fields };
}

function lookup(name: string, own: Readonly<Record<string, string>>): string | null {
  if (Object.hasOwn(own, name)) return own[name]!;
  return Object.hasOwn(GROK_PATTERNS, name) ? GROK_PATTERNS[name]! : null;
}

/** logstash writes `[http][status]` for what is http.status here. */
function fieldName(written: string): string {
  if (!written.startsWith("[")) return written;
  return written.slice(1).replace(/\]$/, "").replaceAll("][", ".");
}

function typeOf(written: string | undefined): GrokType {
  return written === "int" || written === "float" ? written : "text";
}
