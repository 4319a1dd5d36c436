import { compileLinearRegex } from "../base/linear_regex.ts";
import type { Field } from "../schema/field.ts";
import { text } from "../schema/field.ts";
import type { PathMatch } from "./snapshot.ts";

/**
 * The one notation for paths: `/items` is exact, `/items/*` is /items and all below it, `/*` is
 * everything, `/users/{id}/orders` has any one segment in the place of `{id}`, and `~` starts a
 * regular expression for the whole path.
 */
export const PATH_PATTERN =
  /^(?:~\^?[/(.[\\][^\s]*|(?!.*\/\/)(?!.*\/\.\.?(?:\/|$))\/(?:(?:[^*?#{}\s/]*|\{[a-zA-Z][a-zA-Z0-9_]*\})\/)*(?:\*|[^*?#{}\s/]*|\{[a-zA-Z][a-zA-Z0-9_]*\}))$/;

export const PATH_EXPECTED = 'a path such as "/items" (exact) or "/items/*" (all below it)';

const MAX_PATH_LENGTH = 1024;

/** Null for what is not in the notation; `pathAdvice` says why. */
export function parsePathPattern(written: string): PathMatch | null {
  if (!PATH_PATTERN.test(written)) return null;
  if (written.startsWith("~")) return { kind: "regex", value: written.slice(1) };
  if (written.includes("{")) return { kind: "template", value: written };
  if (!written.endsWith("/*")) return { kind: "exact", value: written };
  const value = written.slice(0, -2);
  return { kind: "prefix", value: value === "" ? "/" : value };
}

/** Of who asks at run time. @returns a text: what is wrong with it */
export function readPathPattern(written: string): PathMatch | string {
  const match = written.length > MAX_PATH_LENGTH ? null : parsePathPattern(written);
  return match === null ? `expected ${PATH_EXPECTED}` : (regexProblem(written) ?? match);
}

/** The notation again. */
export function formatPathPattern(match: PathMatch): string {
  switch (match.kind) {
    case "exact":
    case "template":
      return match.value;
    case "regex":
      return `~${match.value}`;
    case "prefix":
      return match.value === "/" ? "/*" : `${match.value}/*`;
  }
}

/** What to do about a text that is no path pattern. */
export function pathAdvice(written: string): string | null {
  if (written.startsWith("~")) {
    return 'a regular expression is for the whole path, which starts with a slash: write "~/..."';
  }
  if (!written.startsWith("/")) return `write "/${written.replace(/^\*$/, "*")}"`;
  if (/[?#]/.test(written)) return "only the path is compared: leave the query out";
  if (written.includes("//") || /\/\.\.?(\/|$)/.test(written)) {
    return 'paths are compared after "//", "." and ".." are resolved: write the resolved path';
  }
  if (/[{}]/.test(written)) return '"{name}" stands for a whole segment: write "/users/{id}/orders"';
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
    check: regexProblem,
    maxLength: MAX_PATH_LENGTH,
  }).as((written) => parsePathPattern(written)!);
}

/** A regular expression that would not compile in the proxy is refused here. */
function regexProblem(written: string): string | null {
  if (!written.startsWith("~")) return null;
  const regex = compileLinearRegex(written.slice(1));
  return typeof regex === "string" ? `the regular expression is refused: ${regex}` : null;
}
