import type { RequestHead } from "../../codec/message.ts";
import { PathRules, type PathTest, pathTest } from "./path_rules.ts";
import type { Route } from "./route.ts";

/**
 * A listener's routes by host, then by path, then by what else they ask for. The most specific host
 * that matches decides (exact, then the longest wildcard, then `*`); within it the Gateway API's
 * order holds (HTTPRoute, matches): exact paths, then the longest prefix; among routes of one path
 * `PathRules`. Where a path's routes all ask for something that the request has not, less specific
 * paths are tried. The API leaves patterns to us: a template or regular expression is as long as
 * the literal segments that it starts with, and goes before a prefix of that length.
 * Lookups are by hash: their cost hangs on the path's segments, not on the number of exact paths
 * and prefixes; patterns under one literal path are tried in turn.
 */
export class RouteTable {
  readonly #exact = new Map<string, PathTable>();
  /** By what stands behind the asterisk: ".example.com". */
  readonly #wildcard = new Map<string, PathTable>();
  #any: PathTable | null = null;
  #hasHosts = false;

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      for (const host of route.policy.hosts) this.#tableOf(host).add(route);
    }
    this.#hasHosts = this.#exact.size + this.#wildcard.size > 0;
  }

  #tableOf(host: string): PathTable {
    if (host === "*") return (this.#any ??= new PathTable());
    const [map, key] = host.startsWith("*.")
      ? ([this.#wildcard, host.slice(1)] as const)
      : ([this.#exact, host] as const);
    let table = map.get(key);
    if (table === undefined) {
      table = new PathTable();
      map.set(key, table);
    }
    return table;
  }

  /** The route, or null where none matches. */
  find(head: RequestHead): Route | null {
    const table = this.#hasHosts ? this.#tableFor(hostName(head.host)) : this.#any;
    if (table === null) return null;
    return table.only ?? table.find(head);
  }

  #tableFor(host: string): PathTable | null {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    if (this.#wildcard.size !== 0) {
      for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
        const table = this.#wildcard.get(host.slice(dot));
        if (table !== undefined) return table;
      }
    }
    return this.#any;
  }
}

/** Lower case, without a port and a final dot. */
export function hostName(authority: string): string {
  let host = authority.toLowerCase();
  const colon = host.lastIndexOf(":");
  if (colon >= 0 && !host.endsWith("]") && host.indexOf("]") < colon) host = host.slice(0, colon);
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

interface PathPattern extends PathTest {
  readonly value: string;
  readonly rules: PathRules;
}

class PathTable {
  readonly #exact = new Map<string, PathRules>();
  /** By the prefix without a final slash; the root's is empty. */
  readonly #prefixes = new Map<string, PathRules>();
  /** By the literal path that they start with; null where there are none. */
  #patterns: Map<string, PathPattern[]> | null = null;
  /** The one route that takes every path, where it is the only one. */
  only: Route | null = null;

  add(route: Route): void {
    const { kind, value } = route.policy.path;
    if (kind === "template" || kind === "regex") this.#rulesOfPattern(route).add(route);
    else {
      const map = kind === "exact" ? this.#exact : this.#prefixes;
      const key = kind === "prefix" && value.endsWith("/") ? value.slice(0, -1) : value;
      let rules = map.get(key);
      if (rules === undefined) map.set(key, (rules = new PathRules()));
      rules.add(route);
    }
    const isOnly = this.#exact.size === 0 && this.#prefixes.size === 1 && this.#patterns === null;
    this.only = isOnly ? (this.#prefixes.get("")?.only ?? null) : null;
  }

  #rulesOfPattern(route: Route): PathRules {
    const { path } = route.policy;
    const test = pathTest(path);
    this.#patterns ??= new Map();
    let patterns = this.#patterns.get(test.under);
    if (patterns === undefined) this.#patterns.set(test.under, (patterns = []));
    const known = patterns.find(({ value }) => value === path.value);
    if (known !== undefined) return known.rules;
    const rules = new PathRules();
    patterns.push({ ...test, value: path.value, rules });
    patterns.sort((a, b) => b.rank - a.rank);
    return rules;
  }

  find(head: RequestHead): Route | null {
    const { path } = head;
    const exact = this.#exact.get(path)?.choose(head);
    if (exact !== undefined && exact !== null) return exact;
    let prefix = path.endsWith("/") ? path.slice(0, -1) : path;
    for (;;) {
      if (this.#patterns !== null) {
        const route = this.#findPattern(this.#patterns.get(prefix), path, head);
        if (route !== null) return route;
      }
      const route = this.#prefixes.get(prefix)?.choose(head);
      if (route !== undefined && route !== null) return route;
      const slash = prefix.lastIndexOf("/");
      if (slash < 0) return null;
      prefix = prefix.slice(0, slash);
    }
  }

  #findPattern(
    patterns: readonly PathPattern[] | undefined,
    path: string,
    head: RequestHead,
  ): Route | null {
    if (patterns === undefined) return null;
    for (const pattern of patterns) {
      if (!pattern.matches(path)) continue;
      const route = pattern.rules.choose(head);
      if (route !== null) return route;
    }
    return null;
  }
}
