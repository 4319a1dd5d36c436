/**
 * Writes objects as YAML. The library that reads files would take most of the time and memory of
 * rendering a large set, as it builds a tree of nodes first; and it leaves bare what only readers of
 * YAML 1.1 take for something else, kubectl among them: `on` is true to it, and 1_000 a number.
 */
import type { Plain } from "./sourced.ts";

/** A document, ended by a line break, behind a line of dashes where `dashes` says so. */
export function plainYaml(value: Plain, dashes = false): string {
  const out: string[] = [dashes ? "---\n" : ""];
  write(value, "\n", out);
  // Here no key stands before it, so it begins its line itself.
  out[1] = out[1]!.slice(1);
  out.push("\n");
  return out.join("");
}

/** @param newline a line break and the spaces of the parent's items */
function write(value: Plain, newline: string, out: string[]): void {
  if (typeof value === "string") writeText(value, newline, out);
  else if (typeof value !== "object" || value === null) out.push(" ", JSON.stringify(value));
  else if (Array.isArray(value)) writeList(value as readonly Plain[], newline, out);
  else writeMap(value as { readonly [key: string]: Plain }, newline, out);
}

function writeMap(map: { readonly [key: string]: Plain }, newline: string, out: string[]): void {
  let isEmpty = true;
  for (const key in map) {
    isEmpty = false;
    out.push(newline, scalarText(key), ":");
    write(map[key]!, isMap(map[key]!) || Array.isArray(map[key]) ? `${newline}  ` : newline, out);
  }
  if (isEmpty) out.push(" ", "{}");
}

function writeList(list: readonly Plain[], newline: string, out: string[]): void {
  if (list.length === 0) out.push(" ", "[]");
  for (const item of list) {
    out.push(newline, "-");
    const within = isMap(item) || Array.isArray(item);
    const start = out.length;
    write(item, within ? `${newline}  ` : newline, out);
    // The first line of what is inside stands behind the dash.
    if (within && out[start] === `${newline}  `) out[start] = " ";
  }
}

function isMap(value: Plain): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function writeText(text: string, newline: string, out: string[]): void {
  if (!text.includes("\n") || !isBlock(text)) {
    out.push(" ", scalarText(text));
    return;
  }
  const ended = text.endsWith("\n");
  const lines = (ended ? text.slice(0, -1) : text).replaceAll(/\n(?=[^\n])/g, `${newline}  `);
  const kept = text.endsWith("\n\n") ? " |+" : ended ? " |" : " |-";
  out.push(kept, newline, "  ", lines);
}

/** Lines that mean themselves in a block; others are quoted in one line. */
function isBlock(text: string): boolean {
  if (/^[\n \t]|\n[ \t]+\n*$|\r/.test(text)) return false;
  return !/[^\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/.test(text);
}

/** What only looks like a text. YAML 1.2's words and numbers, and 1.1's. */
const OTHER =
  /^(?:|~|null|true|false|y|n|yes|no|on|off|[-+]?\.inf|\.nan|<<|=)$|^[-+]?(?:0[xob][0-9a-f_]+|[0-9][0-9_]*(?::[0-9_.]+)*|[0-9_]*\.[0-9_]*(?:e[-+]?[0-9]+)?|[0-9][0-9_]*e[-+]?[0-9]+)$|^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:$|[Tt \t])/i;
/** What means something at the start, in the middle or at the end. */
const MARKED = /^[ \t,[\]{}#&*!|>'"%@`]|^[-?:](?:$|[ \t])|^-{3}|^\.{3}|:[ \t]| #|\t#|[ \t:]$/;
/** Without the line ends of YAML 1.1 that 1.2 reads as characters. */
const PRINTED = /^[\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*$/;

function scalarText(text: string): string {
  if (OTHER.test(text) || MARKED.test(text) || !PRINTED.test(text)) return quoted(text);
  return text;
}

function quoted(text: string): string {
  if (text.includes('"') && !text.includes("'") && PRINTED.test(text)) return `'${text}'`;
  // JSON's texts are YAML's, but for what JSON leaves as it is and YAML does not print.
  return JSON.stringify(text).replaceAll(/[\x7f-\x9f\u2028\u2029\ufeff]/g, (one) => {
    return `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
