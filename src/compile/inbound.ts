/** The listener in front of the app. */
import type { CallSpec, RouteSpec } from "../api/app.ts";
import type { AppDocument } from "../api/document.ts";
import { parseAppReference } from "../api/names.ts";
import type { LocalSite } from "../api/site.ts";
import type { RoutePolicy, WeightedBackend } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import { addAppCluster, addPlainCluster, APP_CLUSTER } from "./clusters.ts";
import { PLAIN_CALL } from "./defaults.ts";
import type { Draft } from "./draft.ts";
import { listenerPolicy, noteListener } from "./listeners.ts";
import type { Segment } from "./pointer.ts";
import { noteMirror, withMirror } from "./mirror.ts";
import { noteMatch } from "./request_match.ts";
import { noteRouteFilters } from "./route_filters.ts";
import { addSharedLimit } from "./shared_limits.ts";
import type { Context } from "./source.ts";
import { addTls } from "./tls.ts";
import { addUserFilters, noteUserFilters, withUserFilters } from "./user_filters.ts";
import {
  noteFilters,
  noteTraffic,
  routeName,
  routePolicy,
  TRAFFIC_FIELDS,
  type TrafficField,
  type TrafficSpec,
} from "./traffic.ts";

export const INBOUND_LISTENER = "inbound";

const ANY = { host: "*", path: { kind: "prefix", value: "/" } } as const;

/** Nothing where the App has no port: nobody calls it. */
export function addInbound(
  draft: Draft,
  context: Context,
  app: AppDocument,
  local: LocalSite,
): void {
  if (app.spec.port === undefined) return;
  const { inbound, app: process } = local;
  if (inbound === null || process === null) {
    throw new Error(`The site has no inbound address for ${app.namespace}/${app.name}.`);
  }
  addAppCluster(draft, app, process);
  draft.note(["bindings", "clusters", APP_CLUSTER], app, ["spec", "run", "port"]);
  const plain = app.spec.routes.length === 0;
  const folder = local.filesFolder ?? local.appFolder;
  const own = { document: app, path: ["spec", "filters"], specs: app.spec.filters, folder };
  addUserFilters(draft, context, own);
  const asked = plain ? [plainRoute(draft, app)] : declared(draft, context, app);
  const routes = asked.map((route) => withUserFilters(route, own));
  for (const [index, route] of routes.entries()) {
    noteUserFilters(draft, ["policy", "listeners", INBOUND_LISTENER, "routes", index], route, own);
  }
  const from = { document: app, path: ["spec", "tls"], folder };
  const secured = addTls(draft, INBOUND_LISTENER, app.spec.tls, from);
  draft.addListener(
    INBOUND_LISTENER,
    listenerPolicy("inbound", routes, app.spec.sidecar, secured),
    inbound,
  );
  draft.note(["policy", "listeners", INBOUND_LISTENER], app, ["spec", "port"]);
  noteListener(draft, app, INBOUND_LISTENER);
  draft.note(["bindings", "listeners", INBOUND_LISTENER], app, ["spec", "port"]);
}

function plainRoute(draft: Draft, app: AppDocument): RoutePolicy {
  const { sidecar, tls } = app.spec;
  const rules = { edge: sidecar.edge, tls };
  const route = routePolicy(ANY, [{ cluster: APP_CLUSTER, weight: 1 }], PLAIN_CALL, rules);
  noteEdge(draft, ["policy", "listeners", INBOUND_LISTENER, "routes", 0], app, route);
  return route;
}

/** The routes of the file. What none of them matches is answered 404. */
function declared(draft: Draft, context: Context, app: AppDocument): RoutePolicy[] {
  const routes: RoutePolicy[] = [];
  const first = new Map<string, number>();
  for (const [index, spec] of app.spec.routes.entries()) {
    const path = ["spec", "routes", index];
    const name = routeName(spec);
    const other = first.get(name);
    if (other !== undefined) {
      context.report(app, [...path, "path"], {
        found: `"${name}"`,
        message: `routes: ${name} stands there twice, first as routes[${other}]`,
        advice: "remove one of them, or put their backends together",
      });
      continue;
    }
    first.set(name, index);
    const backends = backendsOf(draft, context, app, spec, path);
    if (backends === null) continue;
    const mirror =
      spec.mirror === undefined
        ? null
        : targetOf(draft, context, app, spec.mirror.to, [...path, "mirror", "to"]);
    routes.push(addRoute(draft, app, { spec, path, backends, mirror, position: routes.length }));
    addSharedLimit(draft, context, app, path, spec.rateLimit);
  }
  return routes;
}

interface RouteParts {
  readonly spec: RouteSpec;
  readonly path: Path;
  readonly backends: readonly WeightedBackend[];
  /** The cluster of its mirror, or null. */
  readonly mirror: string | null;
  /** Among the listener's routes. */
  readonly position: number;
}

function addRoute(
  draft: Draft,
  app: AppDocument,
  { spec, path, backends, mirror, position }: RouteParts,
): RoutePolicy {
  const at = ["policy", "listeners", INBOUND_LISTENER, "routes", position];
  draft.note(at, app, path);
  draft.note([...at, "hosts"], app, [...path, "host"]);
  draft.note([...at, "path"], app, [...path, "path"]);
  draft.note([...at, "path", "kind"], app, [...path, "path"]);
  draft.note([...at, "path", "value"], app, [...path, "path"]);
  noteMatch(draft, at, app, [...path, "match"], spec.match);
  for (const nth of backends.keys()) {
    const cluster = [...at, "backends", nth, "cluster"];
    if (spec.backends === undefined) {
      draft.note(cluster, app, [...path, "to"]);
      continue;
    }
    const from = [...path, "backends", nth];
    draft.note(cluster, app, [...from, spec.backends[nth]?.app === undefined ? "call" : "app"]);
    draft.note([...at, "backends", nth, "weight"], app, [...from, "weight"]);
  }
  const inherited = callOf(app, backends);
  const { sidecar, tls } = app.spec;
  const traffic = effective(app, spec, path, inherited?.call ?? null);
  const plain = routePolicy(spec, backends, traffic, { ...spec, edge: sidecar.edge, tls });
  const policy = withMirror(plain, spec.mirror, mirror);
  noteMirror(draft, at, app, path);
  if (inherited !== null) {
    const from = { document: app, path: ["spec", "calls", inherited.name], spec: inherited.call };
    const fields = TRAFFIC_FIELDS.filter((field) => !app.wrote([...path, field]));
    noteTraffic(draft, at, from, fields);
    noteFilters(draft, at, policy, from, fields);
  }
  noteTraffic(draft, at, { document: app, path, spec });
  noteFilters(draft, at, policy, { document: app, path });
  noteRouteFilters(draft, at, policy.filters, app, path);
  noteEdge(draft, at, app, policy);
  return policy;
}

/** Notes which line made the sidecar the door. */
function noteEdge(
  draft: Draft,
  at: readonly Segment[],
  app: AppDocument,
  { filters }: RoutePolicy,
): void {
  const index = filters.findIndex(({ filter }) => filter === "forwarded");
  if (index >= 0) draft.note([...at, "filters", index], app, ["spec", "sidecar", "edge"]);
}

/** A route to one declared call has what the call says, where the route says nothing itself. */
function callOf(
  app: AppDocument,
  backends: readonly WeightedBackend[],
): { readonly name: string; readonly call: CallSpec } | null {
  const [only, second] = backends;
  if (only === undefined || second !== undefined || only.cluster === APP_CLUSTER) return null;
  if (!Object.hasOwn(app.spec.calls, only.cluster)) return null;
  return { name: only.cluster, call: app.spec.calls[only.cluster] as CallSpec };
}

function effective(
  app: AppDocument,
  spec: RouteSpec,
  path: Path,
  call: CallSpec | null,
): TrafficSpec {
  if (call === null) return spec;
  const own = (field: TrafficField): boolean => app.wrote([...path, field]);
  return {
    timeout: own("timeout") ? spec.timeout : call.timeout,
    idleTimeout: own("idleTimeout") ? spec.idleTimeout : call.idleTimeout,
    retry: own("retry") ? spec.retry : call.retry,
    fallback: own("fallback") ? spec.fallback : call.fallback,
    rateLimit: own("rateLimit") ? spec.rateLimit : call.rateLimit,
    faults: own("faults") ? spec.faults : call.faults,
    sticky: spec.sticky,
  };
}

/** Null with a problem. */
function backendsOf(
  draft: Draft,
  context: Context,
  app: AppDocument,
  spec: RouteSpec,
  path: Path,
): WeightedBackend[] | null {
  if (spec.backends === undefined) {
    if (spec.to === undefined) return [{ cluster: APP_CLUSTER, weight: 1 }];
    const cluster = targetOf(draft, context, app, spec.to, [...path, "to"]);
    return cluster === null ? null : [{ cluster, weight: 1 }];
  }
  const backends: WeightedBackend[] = [];
  for (const [nth, { app: other, call, weight }] of spec.backends.entries()) {
    const where = [...path, "backends", nth, "app"];
    const cluster =
      other === undefined ? (call ?? null) : appBackend(draft, context, app, other, where);
    if (cluster === null) return null;
    backends.push({ cluster, weight });
  }
  return backends;
}

/** The cluster of a call, or else of an App. */
function targetOf(
  draft: Draft,
  context: Context,
  app: AppDocument,
  reference: string,
  path: Path,
): string | null {
  if (Object.hasOwn(app.spec.calls, reference)) return reference;
  return appBackend(draft, context, app, reference, path);
}

/** The cluster of an App that a route names without a call: itself, or the plainest. */
function appBackend(
  draft: Draft,
  context: Context,
  app: AppDocument,
  reference: string,
  path: Path,
): string | null {
  const { namespace, name } = parseAppReference(reference, app.namespace);
  if (namespace === app.namespace && name === app.name) return APP_CLUSTER;
  const key = context.findApp(reference, app.namespace);
  if (key === null) {
    context.report(app, path, {
      found: `"${reference}"`,
      message: `routes: "${reference}" is neither a name of calls nor an App`,
      advice: "declare it in calls, or give its file too",
    });
    return null;
  }
  // A slash: no call has such a name, whose cluster has policies of its own.
  addPlainCluster(draft, context, key, { key, document: app, path });
  return key;
}
