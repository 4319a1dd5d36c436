/** The filters that a route's own fields ask for. */
import type { AnyDocument } from "../api/document.ts";
import type { Deny } from "../api/deny_spec.ts";
import type { HeaderEdits, Redirect, Respond, Rewrite } from "../api/route_actions.ts";
import type { FilterPolicy, PathMatch } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";

/** Fields of a route, an ingress or a rule that become a filter of the same name. */
export interface RouteRules {
  readonly deny?: Deny;
  readonly headers?: HeaderEdits | undefined;
  readonly rewrite?: Rewrite | undefined;
  readonly redirect?: Redirect | undefined;
  readonly respond?: Respond | undefined;
  /** What a rewrite of the prefix replaces. */
  readonly path?: PathMatch;
  /** Of the sidecar, or of the gateway. */
  readonly trustedHops?: readonly string[];
}

/** In the order in which a request meets them. */
export function routeFilters(asked: RouteRules): FilterPolicy[] {
  const { deny = [], trustedHops = [], headers, rewrite, redirect, respond, path } = asked;
  const filters: FilterPolicy[] = [];
  if (deny.length > 0) {
    const rules = deny.map(({ methods, notFrom }) => ({ methods, notFrom }));
    filters.push({ filter: "deny", config: { rules, trustedHops } });
  }
  if (redirect !== undefined) filters.push({ filter: "redirect", config: { ...redirect } });
  if (respond !== undefined) filters.push({ filter: "respond", config: { ...respond } });
  if (headers !== undefined) filters.push({ filter: "headers", config: { ...headers } });
  if (rewrite !== undefined) {
    const from = path === undefined || path.value === "/" ? "" : path.value;
    const config = rewrite.prefix === undefined ? rewrite : { from, ...rewrite };
    filters.push({ filter: "rewrite", config: { ...config } });
  }
  return filters;
}

const FIELDS: ReadonlySet<string> = new Set(["deny", "headers", "rewrite", "redirect", "respond"]);

/** Notes for each value of these filters the field that asks for it. */
export function noteRouteFilters(
  draft: Draft,
  at: readonly Segment[],
  filters: readonly FilterPolicy[],
  document: AnyDocument,
  path: Path,
): void {
  for (const [index, { filter, config }] of filters.entries()) {
    if (!FIELDS.has(filter)) continue;
    const place = [...at, "filters", index];
    draft.note(place, document, [...path, filter]);
    for (const inside of [["filter"], ...leaves(config, ["config"])]) {
      draft.note([...place, ...inside], document, [...path, filter]);
    }
  }
}

/** Plain values, and lists of them. */
function leaves(value: unknown, at: Segment[]): Segment[][] {
  const isPlain = (one: unknown) => typeof one !== "object" || one === null;
  if (isPlain(value) || (Array.isArray(value) && value.every(isPlain))) return [at];
  return Object.entries(value as object).flatMap(([key, one]) => leaves(one, [...at, key]));
}
