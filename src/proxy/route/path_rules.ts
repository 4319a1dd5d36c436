import type { PathMatch } from "../../api/snapshot.ts";
import { Failure } from "../../base/failure.ts";
import { compileLinearRegex } from "../../base/linear_regex.ts";
import type { RequestHead } from "../../codec/message.ts";
import { RequestMatcher } from "./request_matcher.ts";
import type { Route } from "./route.ts";

/** The routes of one path: those that ask for more go first, as the Gateway API has it. */
export class PathRules {
  /** Without one that takes every request, and what would come behind it. */
  #conditional: Route[] = [];
  #always: Route | null = null;

  /** The first of two that ask for the same goes first. */
  add(route: Route): void {
    if (route.matcher === null) {
      this.#always ??= route;
      return;
    }
    const rank = (other: Route) => RequestMatcher.compare(route.policy.match, other.policy.match);
    const place = this.#conditional.findIndex((other) => rank(other) < 0);
    this.#conditional.splice(place < 0 ? this.#conditional.length : place, 0, route);
  }

  /** The one route, where it takes every request. */
  get only(): Route | null {
    return this.#conditional.length === 0 ? this.#always : null;
  }

  choose(head: RequestHead): Route | null {
    const conditional = this.#conditional;
    for (let index = 0; index < conditional.length; index++) {
      const route = conditional[index]!;
      if (route.matcher!.matches(head)) return route;
    }
    return this.#always;
  }
}

/** A path that has to be compared: a template or a regular expression. */
export interface PathTest {
  /** The literal path before its first variable segment, without a final slash; may be empty. */
  readonly under: string;
  /** Among those under the same path, the larger goes first; regular expressions are last. */
  readonly rank: number;
  matches(path: string): boolean;
}

/** @throws Failure `refused` for a regular expression that cannot be compiled. */
export function pathTest({ kind, value }: PathMatch): PathTest {
  return kind === "template" ? templateTest(value) : regexTest(value);
}

function templateTest(template: string): PathTest {
  const segments = template.split("/").slice(1);
  const hasTail = segments.at(-1) === "*";
  if (hasTail) segments.pop();
  const fixed = segments.map((segment) => (segment.startsWith("{") ? null : segment));
  const first = fixed.indexOf(null);
  const literal = fixed.reduce((sum, segment) => sum + (segment?.length ?? 0), 0);
  return {
    under: fixed.slice(0, first).map((segment) => `/${segment}`).join(""),
    // Never 0 or less, where the regular expressions are: lengths are bounded by the path's own.
    rank: 1 + 2 * literal + (hasTail ? 0 : 1),
    matches: (path) => {
      let from = 1;
      for (const segment of fixed) {
        if (from > path.length) return false;
        const slash = path.indexOf("/", from);
        const end = slash < 0 ? path.length : slash;
        // A variable is never empty: /users//orders has no user.
        if (segment === null ? end === from : path.slice(from, end) !== segment) return false;
        from = end + 1;
      }
      return hasTail || from > path.length;
    },
  };
}

function regexTest(pattern: string): PathTest {
  const regex = compileLinearRegex(pattern);
  if (typeof regex === "string") throw new Failure("refused", `path ~${pattern}: ${regex}`);
  return { under: literalUnder(pattern), rank: 0, matches: (path) => regex.matches(path) };
}

/** The whole segments that an expression starts with, where that can be told without reading it. */
function literalUnder(pattern: string): string {
  if (pattern.includes("|") || pattern.includes("(?")) return "";
  const body = pattern.startsWith("^") ? pattern.slice(1) : pattern;
  let literal = /^[A-Za-z0-9/_~%:@!&',;=-]*/.exec(body)![0];
  // What a quantifier follows may be missing.
  if (/^[?*+{]/.test(body.slice(literal.length))) literal = literal.slice(0, -1);
  return literal.slice(0, Math.max(0, literal.lastIndexOf("/")));
}
