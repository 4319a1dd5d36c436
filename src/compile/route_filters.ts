/** The filters that a route's own fields ask for. */
import type { AnyDocument } from "../api/document.ts";
import type { Deny } from "../api/deny_spec.ts";
import type { FilterPolicy } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";

/** Fields of a route, an ingress or a rule that become a filter of the same name. */
export interface RouteRules {
  readonly deny?: Deny;
  /** Of the sidecar, or of the gateway. */
  readonly trustedHops?: readonly string[];
}

/** In the order in which a request meets them. */
export function routeFilters({ deny = [], trustedHops = [] }: RouteRules): FilterPolicy[] {
  const filters: FilterPolicy[] = [];
  if (deny.length > 0) {
    const rules = deny.map(({ methods, notFrom }) => ({ methods, notFrom }));
    filters.push({ filter: "deny", config: { rules, trustedHops } });
  }
  return filters;
}

const FIELDS: ReadonlySet<string> = new Set(["deny"]);

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
