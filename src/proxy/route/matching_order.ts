import type { RoutePolicy } from "../../api/snapshot.ts";
import { pathTest } from "./path_rules.ts";
import { RequestMatcher } from "./request_matcher.ts";

/** A route under one of its hosts. */
export interface RankedRoute {
  /** As the route names it. */
  readonly host: string;
  readonly route: RoutePolicy;
  /** In the policy's list. */
  readonly index: number;
}

/**
 * A listener's routes in the order in which `RouteTable` tries them: by host, within a host by path,
 * within a path by what else they ask for. A request is the first one's that it fits; a host that
 * matches decides, and no route of a less specific one is tried.
 */
export function inMatchingOrder(routes: readonly RoutePolicy[]): RankedRoute[] {
  const all = routes.flatMap((route, index) =>
    route.hosts.map((host) => ({ host, route, index, rank: pathRank(route) })),
  );
  all.sort(
    (a, b) =>
      hostRank(b.host) - hostRank(a.host) ||
      (a.host < b.host ? -1 : a.host > b.host ? 1 : 0) ||
      compareRanks(a.rank, b.rank) ||
      RequestMatcher.compare(a.route.match, b.route.match) ||
      a.index - b.index,
  );
  return all.map(({ host, route, index }) => ({ host, route, index }));
}

/** Exact names, then the longest wildcard, then any. */
function hostRank(host: string): number {
  if (host === "*") return 0;
  return host.startsWith("*.") ? host.length : Number.MAX_SAFE_INTEGER;
}

/** The larger goes first: exact; the length of the literal path; a pattern; among those its rank. */
type PathRank = readonly [exact: number, literal: number, pattern: number, rank: number];

function pathRank({ path }: RoutePolicy): PathRank {
  const { kind, value } = path;
  if (kind === "exact") return [1, 0, 0, 0];
  if (kind === "prefix") return [0, value.endsWith("/") ? value.length - 1 : value.length, 0, 0];
  const { under, rank } = pathTest(path);
  return [0, under.length, 1, rank];
}

function compareRanks(a: PathRank, b: PathRank): number {
  const at = a.findIndex((part, index) => part !== b[index]);
  return at < 0 ? 0 : b[at]! - a[at]!;
}
