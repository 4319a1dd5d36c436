import type { Field } from "../schema/field.ts";
import { text } from "../schema/field.ts";
import type { PathMatch } from "./snapshot.ts";

/**
 * The one notation for paths: `/items` is exact, `/items/*` is /items and all below it, `/*` is
 * everything. `~` would start a regular expression.
 */
export const PATH_PATTERN = /^(?!.*\/\/)(?!.*\/\.\.?(?:\/|$))\/(?:[^*?#\s]*\/)?(?:\*|[^*?#\s]*)$/;

export const PATH_EXPECTED = 'a path such as "/items" (exact) or "/items/*" (all below it)';

const MAX_PATH_LENGTH = 1024;

/** Null for what is not in the notation; `pathAdvice` says why. */
export function parsePathPattern(written: string): PathMatch | null {
  if (!PATH_PATTERN.test(written)) return null;
  if (!written.endsWith("/*")) return { kind: "exact", value: written };
  const value = written.slice(0, -2);
  return { kind: "prefix", value: value === "" ? "/" : value };
}

/** The notation again. */
export function formatPathPattern(match: PathMatch): string {
  if (match.kind === "exact") return match.value;
  return match.value === "/" ? "/*" : `${match.value}/*`;
}

/** What to do about a text that is no path pattern. */
export function pathAdvice(written: string): string | null {
  if (written.startsWith("~")) {
    return "regular expressions arrive later, use an exact path or a prefix until then";
  }
  if (!written.startsWith("/")) return `write "/${written.replace(/^\*$/, "*")}"`;
  if (/[?#]/.test(written)) return "only the path is compared: leave the query out";
  if (written.includes("//") || /\/\.\.?(\/|$)/.test(written)) {
    return 'paths are compared after "//", "." and ".." are resolved: write the resolved path';
  }
  if (written.includes("*")) {
    return `"*" stands only at the end, after a slash: write "${starAtTheEnd(written)}"`;
  }
  return null;
}

function starAtTheEnd(written: string): string {
  const before = written.slice(0, written.indexOf("*")).replace(/\/+$/, "");
  return `${before}/*`;
}

/** A field that holds a path pattern; parsed to a PathMatch. */
export function pathPattern(): Field<PathMatch> {
  return text({
    pattern: PATH_PATTERN,
    expected: PATH_EXPECTED,
    advise: pathAdvice,
    maxLength: MAX_PATH_LENGTH,
  }).as((written) => parsePathPattern(written)!);
}
