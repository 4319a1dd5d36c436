import type { RE2JS } from "re2js";
import { regexCost } from "./regex_cost.ts";
import type { RegexNode } from "./regex_syntax.ts";
import { nativeSource, parseRegex } from "./regex_syntax.ts";

/**
 * A regular expression in RE2's syntax (https://github.com/google/re2/wiki/Syntax), found anywhere
 * in a text, whose cost no text can make run away. Two engines give the same answers: the
 * platform's, 30 times as fast, where `regexCost` proves that it is safe for a text of this length;
 * else RE2's, which is linear for any pattern.
 */
export interface SearchRegex {
  /** `short`: native for texts of up to `maxNativeLength` characters. */
  readonly engine: "native" | "short" | "re2";
  readonly maxNativeLength: number;
  /** Of each capturing group in order; null where a group has no name. */
  readonly groupNames: readonly (string | null)[];
  test(text: string): boolean;
  /** The whole match, then each group; undefined for a group that took no part. */
  exec(text: string): readonly (string | undefined)[] | null;
  /** Every match that does not overlap the one before, replaced. */
  replaceAll(text: string, replace: (match: string) => string): string;
}

/** Instructions of a compiled pattern: thousands are a mistake, and each costs time and memory. */
const MAX_PROGRAM = 4000;

/**
 * Steps of a backtracking engine for each character of a text, by the bound of `regexCost`, which
 * is loose: a step is about a nanosecond, and real worst cases are a tenth of the bound and less.
 */
const MAX_STEPS_PER_CHARACTER = 200_000;

/** Returns what is wrong with the pattern as a text. */
export function compileSearchRegex(pattern: string): SearchRegex | string {
  const tree = parseRegex(pattern);
  const maxNativeLength = tree === null ? 0 : safeLength(tree);
  // The other engine takes 15 MB: it is loaded where it is needed, and not before.
  if (maxNativeLength === Infinity) return nativeRegex(tree!, Infinity, null);
  const engine = re2Regex(pattern);
  if (typeof engine === "string" || tree === null) return engine;
  // Shorter ones are not worth asking.
  return maxNativeLength < 32 ? engine : nativeRegex(tree, maxNativeLength, engine);
}

/** How long a text may be for the platform's engine. */
function safeLength(tree: RegexNode): number {
  const cost = regexCost(tree);
  if (cost === null || cost.steps > MAX_STEPS_PER_CHARACTER) return 0;
  if (cost.degree <= 1) return Infinity;
  return Math.floor((MAX_STEPS_PER_CHARACTER / cost.steps) ** (1 / (cost.degree - 1)));
}

function nativeRegex(
  tree: RegexNode,
  maxNativeLength: number,
  other: SearchRegex | null,
): SearchRegex {
  const source = nativeSource(tree);
  const first = new RegExp(source, "u");
  const every = new RegExp(source, "gu");
  const groupNames: (string | null)[] = [];
  collectNames(tree, groupNames);
  const own: SearchRegex = {
    engine: other === null ? "native" : "short",
    maxNativeLength,
    groupNames,
    test: (text) => first.test(text),
    exec: (text) => first.exec(text),
    replaceAll: (text, replace) => text.replace(every, replace),
  };
  if (other === null) return own;
  return {
    ...own,
    test: (text) => (text.length <= maxNativeLength ? own : other).test(text),
    exec: (text) => (text.length <= maxNativeLength ? own : other).exec(text),
    replaceAll: (text: string, replace: (match: string) => string) =>
      (text.length <= maxNativeLength ? own : other).replaceAll(text, replace),
  };
}

function collectNames(node: RegexNode, names: (string | null)[]): void {
  switch (node.kind) {
    case "group":
      names.push(node.name);
      collectNames(node.item, names);
      break;
    case "repeat":
      collectNames(node.item, names);
      break;
    case "sequence":
      for (const item of node.items) collectNames(item, names);
      break;
    case "choice":
      for (const option of node.options) collectNames(option, names);
  }
}

function re2Regex(pattern: string): SearchRegex | string {
  const { RE2JS: engine } = require("re2js") as { readonly RE2JS: typeof RE2JS };
  let compiled: RE2JS;
  try {
    compiled = engine.compile(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return reason.replace(/^error parsing regexp: /, "");
  }
  if (compiled.programSize() > MAX_PROGRAM)
    return "it is too large: repeat less, or say it simpler";
  const groupNames: (string | null)[] = Array.from({ length: compiled.groupCount() }, () => null);
  for (const [name, index] of Object.entries(compiled.namedGroups())) groupNames[index - 1] = name;
  return {
    engine: "re2",
    maxNativeLength: 0,
    groupNames,
    test: (text) => compiled.matcher(text).find(),
    exec: (text) => {
      const matcher = compiled.matcher(text);
      if (!matcher.find()) return null;
      const values: (string | undefined)[] = [];
      for (let i = 0; i <= groupNames.length; i++) values.push(matcher.group(i) ?? undefined);
      return values;
    },
    replaceAll: (text: string, replace: (match: string) => string) => {
      const matcher = compiled.matcher(text);
      let result = "";
      let from = 0;
      while (matcher.find()) {
        result += text.slice(from, matcher.start()) + replace(matcher.group()!);
        from = matcher.end();
      }
      return from === 0 && result === "" ? text : result + text.slice(from);
    },
  };
}
