import type { RequestHead } from "../../codec/message.ts";
import type { Route } from "./route.ts";

/**
 * A listener's routes by host, then by path. The most specific host that matches decides (exact,
 * then the longest wildcard, then `*`); within it exact paths go before the longest prefix, as the
 * Gateway API has it. Lookups are by hash: their cost hangs on the path's segments, not on the
 * number of routes.
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
    return table.only ?? table.find(head.path);
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

class PathTable {
  readonly #exact = new Map<string, Route>();
  /** By the prefix without a final slash; the root's is empty. */
  readonly #prefixes = new Map<string, Route>();
  /** The one route that takes every path, where it is the only one. */
  only: Route | null = null;

  /** The first of two routes with the same match wins. */
  add(route: Route): void {
    const { kind, value } = route.policy.path;
    const map = kind === "exact" ? this.#exact : this.#prefixes;
    const key = kind === "prefix" && value.endsWith("/") ? value.slice(0, -1) : value;
    if (!map.has(key)) map.set(key, route);
    const isOnly = this.#exact.size === 0 && this.#prefixes.size === 1;
    this.only = isOnly ? (this.#prefixes.get("") ?? null) : null;
  }

  find(path: string): Route | null {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return exact;
    let prefix = path.endsWith("/") ? path.slice(0, -1) : path;
    for (;;) {
      const route = this.#prefixes.get(prefix);
      if (route !== undefined) return route;
      const slash = prefix.lastIndexOf("/");
      if (slash < 0) return null;
      prefix = prefix.slice(0, slash);
    }
  }
}
