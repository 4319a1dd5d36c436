/**
 * A chart's template from a rendered object: chosen values become actions (`{{ .Values... }}`), and
 * all else comes out of Helm as it went in, also where it holds `{{` itself.
 */
import { plainYaml } from "../kubernetes/plain_yaml.ts";
import { objectText } from "../kubernetes/manifests.ts";
import type { KubeObject } from "../kubernetes/object.ts";
import type { Plain } from "../kubernetes/sourced.ts";

export type Step = string | number;

type Draft = { [key: string]: Plain } | Plain[];

/** Writes a member anew: `indent` is that of its key. Text without a line's end. */
export type Lines = (indent: string) => string;

export class Template {
  readonly #object: KubeObject;
  readonly #body: { [key: string]: Plain };
  readonly #mark: string;
  readonly #inline = new Map<string, string>();
  readonly #lines = new Map<string, Lines>();
  readonly #prelude: string[] = [];
  #condition: string | null = null;

  constructor(object: KubeObject) {
    this.#object = object;
    this.#body = structuredClone(object.body) as { [key: string]: Plain };
    // A word that is nowhere in the object.
    const text = JSON.stringify(object.body);
    let mark = "ValueOf";
    while (text.includes(mark)) mark += "X";
    this.#mark = mark;
  }

  /** What is there; undefined where nothing is. */
  at(path: readonly Step[]): Plain | undefined {
    return memberAt(this.#body, path);
  }

  /** A line before all others, such as `{{- $app := ... }}`. Each is written once. */
  prelude(line: string): void {
    if (!this.#prelude.includes(line)) this.#prelude.push(line);
  }

  /** The object is there only where the expression is true. */
  onlyIf(expression: string): void {
    this.#condition = expression;
  }

  /** What stands at `path` comes from an expression; `mark` may stand within a text as well. */
  put(path: readonly Step[], expression: string): void {
    this.#set(path, this.action(`{{ ${expression} }}`));
  }

  /** A word for an action, to be put into a text of the object with `replace`. */
  action(text: string): string {
    const mark = `${this.#mark}${this.#inline.size}E`;
    this.#inline.set(mark, text);
    return mark;
  }

  replace(path: readonly Step[], value: Plain): void {
    this.#set(path, value);
  }

  /**
   * The member at `path`, with its key, comes from `lines`; added where it is not there. It must
   * not be a list item's first member.
   */
  putLines(path: readonly Step[], lines: Lines): void {
    const mark = `${this.#mark}Lines${this.#lines.size}E`;
    this.#lines.set(mark, lines);
    this.#set(path, mark);
  }

  /** A map or list that is a value as a whole. */
  putBlock(path: readonly Step[], expression: string): void {
    const key = String(path.at(-1));
    this.putLines(path, (indent) => {
      const block = `{{- toYaml ${expression} | nindent ${indent.length + 2} }}`;
      return `${indent}${key}:\n${indent}  ${block}`;
    });
  }

  /** A text that is left out where its value is empty. */
  putOptional(path: readonly Step[], expression: string): void {
    const key = String(path.at(-1));
    this.putLines(path, (indent) => {
      const lines = [`{{- with ${expression} }}`, `${key}: {{ . | quote }}`, "{{- end }}"];
      return lines.map((line) => indent + line).join("\n");
    });
  }

  text(): string {
    const plain = escapeActions(objectText({ ...this.#object, body: this.#body }));
    const lines = plain.split("\n").map((line) => this.#line(line));
    // Helm cuts white space off an object's end: it may belong to its last text.
    if (plain.endsWith("\n\n")) lines.splice(-1, 1, "# The text above ends in empty lines.", "");
    const body = [...this.#prelude, ...lines].join("\n");
    if (this.#condition === null) return body;
    return `{{- if ${this.#condition} }}\n${body}{{- end }}\n`;
  }

  #line(line: string): string {
    const match = /^( *)\S+: (\w+)$/.exec(line);
    const lines = match === null ? undefined : this.#lines.get(match[2]!);
    if (lines !== undefined) return lines(match![1]!);
    if (!line.includes(this.#mark)) return line;
    if (line.includes(`${this.#mark}Lines`)) throw new Error(`no lines can stand here: ${line}`);
    const pattern = new RegExp(`${this.#mark}\\d+E`, "g");
    return line.replace(pattern, (mark) => this.#inline.get(mark) ?? mark);
  }

  #set(path: readonly Step[], value: Plain): void {
    const parent = this.at(path.slice(0, -1)) as Draft | undefined;
    if (typeof parent !== "object" || parent === null) {
      throw new Error(`nothing is at ${path.slice(0, -1).join("/")}`);
    }
    (parent as Record<Step, Plain>)[path.at(-1)!] = value;
  }
}

export function memberAt(root: Plain, path: readonly Step[]): Plain | undefined {
  let value: unknown = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<Step, unknown>)[step];
  }
  return value as Plain | undefined;
}

/** Text that comes out of Helm's template engine as it is here. */
export function escapeActions(text: string): string {
  return text.replaceAll("{{", '{{ "{{" }}');
}

/** YAML of a part of an object, each line behind `indent`, without the last line's end. */
export function indented(value: Plain, indent: string): string {
  return escapeActions(plainYaml(value).replace(/\n$/, ""))
    .split("\n")
    .map((line) => (line === "" ? line : `${indent}${line}`))
    .join("\n");
}

/** `.Values.apps.api`, or with `index` where a name is no identifier. */
export function valueOf(...path: readonly string[]): string {
  return memberOf(".Values", ...path);
}

export function memberOf(base: string, ...path: readonly string[]): string {
  if (path.every((step) => /^[A-Za-z_]\w*$/.test(step))) return [base, ...path].join(".");
  return `(index ${base} ${path.map((step) => JSON.stringify(step)).join(" ")})`;
}
