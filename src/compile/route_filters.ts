/** The filters that a route's own fields ask for. */
import type { AnyDocument } from "../api/document.ts";
import type { Deny } from "../api/deny_spec.ts";
import type { Cors } from "../api/cors_spec.ts";
import { faultPolicy, type Faults } from "../api/fault_spec.ts";
import { type RateLimit, rateLimitPolicy } from "../api/rate_limit_spec.ts";
import type { HeaderEdits, Redirect, Respond, Rewrite } from "../api/route_actions.ts";
import type { FilterPolicy, PathMatch } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import { FILTERS } from "./defaults.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";

/** Fields of a route, an ingress or a rule that become a filter of the same name. */
export interface RouteRules {
  readonly deny?: Deny;
  readonly cors?: Cors | undefined;
  readonly headers?: HeaderEdits | undefined;
  readonly rewrite?: Rewrite | undefined;
  readonly redirect?: Redirect | undefined;
  readonly respond?: Respond | undefined;
  /** What a rewrite or redirect of the prefix replaces, and a limit by a parameter looks at. */
  readonly path?: PathMatch;
  /** Requests come in from outside here: who sent them is written down. */
  readonly edge?: boolean;
  /** Callers come by TLS, which ends here. */
  readonly tls?: { readonly forwardClientCertificate: boolean } | undefined;
}

/** What ends a part of the requests of a call, route or rule. */
interface Limiting {
  readonly rateLimit?: RateLimit | undefined;
  readonly faults?: Faults | undefined;
}

/**
 * A route's filters in the order in which a request meets them. First it is named, traced, and told
 * where it came from, so that whatever ends it is logged whole. Then `deny`: who may not come at
 * all takes no token of those who may. Then the rate limit, before all that answers here: a
 * preflight, a redirect and a fixed answer cost something too. Then `cors`, before redirect and
 * respond, for a preflight asks for leave and wants no content. What changes a request comes behind
 * what answers it; faults are last, and stand for the callee's own.
 */
export function filtersOf({ rateLimit, faults }: Limiting, asked: RouteRules): FilterPolicy[] {
  const filters = FILTERS.map(({ filter, config }): FilterPolicy => ({ filter, config }));
  const { deny = [], edge = false, tls } = asked;
  if (edge) filters.push({ filter: "forwarded", config: {} });
  if (tls !== undefined) {
    // `forwarded` writes the scheme too, and knows whom to believe.
    const config = { scheme: !edge, clientCertificate: tls.forwardClientCertificate };
    filters.push({ filter: "forwarded_tls", config });
  }
  if (deny.length > 0) {
    const rules = deny.map(({ methods, notFrom }) => ({ methods, notFrom }));
    filters.push({ filter: "deny", config: { rules } });
  }
  if (rateLimit !== undefined) {
    const config = { ...rateLimitPolicy(rateLimit, asked.path) };
    filters.push({ filter: "rate_limit", config });
  }
  filters.push(...actionFilters(asked));
  if (faults !== undefined) filters.push({ filter: "fault", config: { ...faultPolicy(faults) } });
  return filters;
}

function actionFilters({ cors, headers, rewrite, redirect, respond, path }: RouteRules) {
  const from = path === undefined || path.value === "/" ? "" : path.value;
  const withFrom = <Change extends { readonly prefix?: string | undefined }>(change: Change) => {
    return change.prefix === undefined ? { ...change } : { from, ...change };
  };
  const filters: FilterPolicy[] = [];
  if (cors !== undefined) {
    const { maxAge, ...rest } = cors;
    filters.push({ filter: "cors", config: { ...rest, maxAgeMs: maxAge } });
  }
  if (redirect !== undefined) filters.push({ filter: "redirect", config: withFrom(redirect) });
  if (respond !== undefined) filters.push({ filter: "respond", config: { ...respond } });
  if (headers !== undefined) filters.push({ filter: "headers", config: { ...headers } });
  if (rewrite !== undefined) filters.push({ filter: "rewrite", config: withFrom(rewrite) });
  return filters;
}

const FIELDS: ReadonlySet<string> = new Set([
  "deny",
  "cors",
  "headers",
  "rewrite",
  "redirect",
  "respond",
]);

/** Of these each member that nobody wrote has a reason of its own in `defaults.ts`. */
const REASONED: ReadonlySet<string> = new Set(["deny", "cors", "headers"]);

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
    const field = [...path, filter];
    draft.note(place, document, field);
    draft.note([...place, "filter"], document, field);
    for (const inside of leaves(config, [])) {
      const own = [...field, ...fieldSteps(inside)];
      if (document.wrote(own)) draft.note([...place, "config", ...inside], document, own);
      else if (!REASONED.has(filter)) draft.note([...place, "config", ...inside], document, field);
    }
  }
}

/** Where a member of a filter's config stands within the filter's field. */
function fieldSteps([first, ...rest]: readonly Segment[]): Path {
  if (first === "rules") return rest;
  return first === "maxAgeMs" ? ["maxAge"] : [first as Segment, ...rest];
}

/** Plain values, lists of them, and what is empty. */
function leaves(value: unknown, at: Segment[]): Segment[][] {
  const isPlain = (one: unknown) => typeof one !== "object" || one === null;
  if (isPlain(value) || (Array.isArray(value) && value.every(isPlain))) return [at];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value as object);
  return entries.length === 0 ? [at] : entries.flatMap(([key, one]) => leaves(one, [...at, key]));
}
