import { nearest } from "../schema/spelling.ts";

/**
 * The one notation for templates: `{{calls.api.url}}`. Names are letters, digits, `_`, `-`, dots.
 * `{{"..."}}` stands for the text between the quotes, for files that need `{{` themselves.
 */
export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "name"; readonly name: string };

export interface Template {
  readonly parts: readonly TemplatePart[];
}

export interface TemplateError {
  /** What is wrong, for people. */
  readonly error: string;
  readonly advice: string;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/;

/** Reads a text with `{{...}}`. */
export function parseTemplate(written: string): Template | TemplateError {
  const parts: TemplatePart[] = [];
  let from = 0;
  for (;;) {
    const open = written.indexOf("{{", from);
    if (open < 0) break;
    const close = written.indexOf("}}", open + 2);
    if (close < 0) {
      return { error: '"{{" without "}}"', advice: 'close it, or write {{"{{"}} for the text' };
    }
    if (open > from) parts.push({ kind: "text", text: written.slice(from, open) });
    const inside = written.slice(open + 2, close).trim();
    if (inside.length >= 2 && inside.startsWith('"') && inside.endsWith('"')) {
      parts.push({ kind: "text", text: inside.slice(1, -1) });
    } else if (NAME.test(inside)) {
      parts.push({ kind: "name", name: inside });
    } else {
      return {
        error: `"{{${inside.slice(0, 40)}}}" is not a template`,
        advice: 'write a name such as {{calls.api.url}}, or {{"..."}} for a text as it is',
      };
    }
    from = close + 2;
  }
  if (from < written.length) parts.push({ kind: "text", text: written.slice(from) });
  return { parts };
}

export function isTemplateError(result: Template | TemplateError): result is TemplateError {
  return "error" in result;
}

/** Names that a text asks for, in order; none where it is not a template. */
export function templateNames(written: string): readonly string[] {
  const template = parseTemplate(written);
  if (isTemplateError(template)) return [];
  return template.parts.flatMap((part) => (part.kind === "name" ? [part.name] : []));
}

/** Fills a text in. `value` must know each name: texts are checked when files are loaded. */
export function fillTemplate(written: string, value: (name: string) => string): string {
  const template = parseTemplate(written);
  if (isTemplateError(template)) return written;
  return template.parts
    .map((part) => (part.kind === "text" ? part.text : value(part.name)))
    .join("");
}

const MAX_LISTED = 12;

/** What is wrong with a text whose templates may use only `known` names, or null. */
export function templateProblem(
  written: string,
  known: readonly string[],
): { readonly message: string; readonly advice: string } | null {
  const template = parseTemplate(written);
  if (isTemplateError(template)) return { message: template.error, advice: template.advice };
  for (const part of template.parts) {
    if (part.kind === "text" || known.includes(part.name)) continue;
    const meant = nearest(part.name, known);
    const list = known
      .slice(0, MAX_LISTED)
      .map((name) => `{{${name}}}`)
      .join(", ");
    const dots = known.length > MAX_LISTED ? ", ..." : "";
    return {
      message: `{{${part.name}}} is not known here`,
      advice: meant === null ? `known are ${list}${dots}` : `did you mean {{${meant}}}?`,
    };
  }
  return null;
}
