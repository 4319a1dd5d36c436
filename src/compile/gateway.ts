/** The door from outside: the hosts of the Mesh's routes and of the Apps' ingress, in one table. */
import type { AppDocument, AnyDocument, MeshDocument } from "../api/document.ts";
import { type GatewaySite, workloadKey } from "../api/site.ts";
import type { MirrorSpec } from "../api/route_actions.ts";
import type { ListenerTlsPolicy, RoutePolicy, Snapshot, WeightedBackend } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import { accessLogPolicy } from "./access_log.ts";
import { addPlainCluster } from "./clusters.ts";
import { PLAIN_CALL, PLAIN_SIDECAR } from "./defaults.ts";
import { Draft } from "./draft.ts";
import { listenerPolicy } from "./listeners.ts";
import { noteMirror, withMirror } from "./mirror.ts";
import { noteMatch } from "./request_match.ts";
import { noteRouteFilters, type RouteRules } from "./route_filters.ts";
import { addSharedLimit } from "./shared_limits.ts";
import type { Context } from "./source.ts";
import { addTls } from "./tls.ts";
import { addTracing } from "./tracing.ts";
import {
  noteFilters,
  noteTraffic,
  type RouteMatch,
  routeName,
  routePolicy,
  type TrafficSpec,
} from "./traffic.ts";

export const GATEWAY_NAME = "gateway";
export const GATEWAY_LISTENER = "gateway";

/** A route before it is known in which namespace the gateway is. */
interface Wish {
  readonly match: RouteMatch;
  readonly document: AnyDocument;
  /** Of the rule, or of the ingress entry. */
  readonly path: Path;
  readonly hostPath: Path;
  readonly pathPath: Path;
  readonly backends: readonly BackendWish[];
  readonly traffic: TrafficSpec;
  readonly rules: RouteRules;
  /** `key` is the App's. */
  readonly mirror?: { readonly key: string; readonly spec: MirrorSpec } | undefined;
}

interface BackendWish {
  /** The App's. */
  readonly key: string;
  readonly weight: number;
  readonly path: Path;
}

/** Null where nothing is to be reached from outside, or the site has no place for a gateway. */
export function gatewaySnapshot(context: Context): Snapshot | null {
  const { site, documents } = context;
  const wishes = [
    ...documents.meshes.flatMap((mesh) => meshWishes(context, mesh)),
    ...[...documents.apps].sort(byKey).flatMap(ingressWishes),
  ];
  if (site.gateway === null || wishes.length === 0) return null;
  const namespace = gatewayNamespace(context, wishes);
  refuseNamesake(context, namespace);
  const draft = new Draft({ namespace, name: GATEWAY_NAME });
  const routes: RoutePolicy[] = [];
  const first = new Map<string, Wish>();
  for (const wish of wishes) {
    const name = routeName(wish.match);
    const other = first.get(name);
    if (other === undefined) {
      first.set(name, wish);
      routes.push(addRoute(draft, context, namespace, wish, routes.length));
    } else {
      reportTwice(context, name, wish, other);
    }
  }
  const trustedHops = documents.meshes.flatMap(({ spec }) => spec.gateway?.trustedHops ?? []);
  addTracing(draft, context, null);
  const secured = addGatewayTls(draft, context, site.gateway);
  draft.addListener(
    GATEWAY_LISTENER,
    listenerPolicy("gateway", routes, { ...PLAIN_SIDECAR, trustedHops }, secured),
    site.gateway.listener,
  );
  for (const mesh of documents.meshes) {
    const at = ["spec", "gateway"];
    draft.note(["bindings", "listeners", GATEWAY_LISTENER], mesh, [...at, "port"]);
    const hops = ["policy", "listeners", GATEWAY_LISTENER, "trustedHops"];
    draft.note(hops, mesh, [...at, "trustedHops"]);
  }
  return draft.finish({
    accessLog: accessLogPolicy(draft, context, null),
    drainMs: PLAIN_SIDECAR.drainTimeout,
    admin: site.gateway.admin,
    stateFolder: site.gateway.stateFolder,
  });
}

/** The first Mesh that says it: there is one gateway. */
function meshWithTls(context: Context): MeshDocument | undefined {
  return context.documents.meshes.find(({ spec }) => spec.gateway?.tls !== undefined);
}

function addGatewayTls(
  draft: Draft,
  context: Context,
  site: GatewaySite,
): { readonly tls?: ListenerTlsPolicy } {
  const mesh = meshWithTls(context);
  if (mesh === undefined) return {};
  const path = ["spec", "gateway", "tls"];
  const from = { document: mesh, path, folder: site.filesFolder ?? "/" };
  return addTls(draft, GATEWAY_LISTENER, mesh.spec.gateway?.tls, from);
}

function byKey(a: AppDocument, b: AppDocument): number {
  return workloadKey(a) < workloadKey(b) ? -1 : 1;
}

// ---------------------------------------------------------------- what the files ask for

function meshWishes(context: Context, mesh: MeshDocument): Wish[] {
  const wishes: Wish[] = [];
  for (const [index, route] of mesh.spec.routes.entries()) {
    const at = ["spec", "routes", index];
    for (const [nth, rule] of route.rules.entries()) {
      const path = [...at, "rules", nth];
      const asked = rule.backends ?? [];
      const backends = asked.flatMap(({ app, weight }, place) => {
        const from = [...path, "backends", place];
        const key = findBackend(context, mesh, app, [...from, "app"]);
        return key === null ? [] : [{ key, weight, path: from }];
      });
      if (backends.length < asked.length) continue;
      const { mirror: spec } = rule;
      const to = [...path, "mirror", "to"];
      const key = spec === undefined ? null : findBackend(context, mesh, spec.to, to);
      wishes.push({
        match: { host: route.host, path: rule.match.path, match: rule.match },
        document: mesh,
        path,
        hostPath: [...at, "host"],
        pathPath: [...path, "match", "path"],
        backends,
        traffic: rule,
        rules: { ...rule, path: rule.match.path },
        mirror: spec === undefined || key === null ? undefined : { key, spec },
      });
    }
  }
  return wishes;
}

/** The App's key; null with a problem. */
function findBackend(
  context: Context,
  mesh: MeshDocument,
  app: string,
  path: Path,
): string | null {
  const key = context.findApp(app, mesh.namespace, true);
  if (key !== null) return key;
  context.report(mesh, path, {
    found: `"${app}"`,
    message: `routes: there is no App "${app}"`,
    advice: "give its file too, or correct the name",
  });
  return null;
}

function ingressWishes(app: AppDocument): Wish[] {
  return app.spec.ingress.flatMap(({ host, paths, deny }, index) => {
    const at = ["spec", "ingress", index];
    return paths.map((path, nth): Wish => ({
      match: { host, path },
      document: app,
      path: at,
      hostPath: [...at, "host"],
      pathPath: [...at, "paths", nth],
      backends: [{ key: workloadKey(app), weight: 1, path: at }],
      traffic: PLAIN_CALL,
      rules: { deny },
    }));
  });
}

/** Where the Mesh says it is, else where most of what it leads to is. */
function gatewayNamespace(context: Context, wishes: readonly Wish[]): string {
  const mesh = context.documents.meshes.find((one) => one.wrote(["metadata", "namespace"]));
  if (mesh !== undefined) return mesh.namespace;
  const counts = new Map<string, number>();
  for (const { key } of wishes.flatMap((wish) => wish.backends)) {
    const namespace = key.slice(0, key.indexOf("/"));
    counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  }
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  // Rules that all answer themselves lead to no App.
  return ranked[0]?.[0] ?? context.documents.meshes[0]!.namespace;
}

function refuseNamesake(context: Context, namespace: string): void {
  for (const app of context.documents.apps) {
    if (app.namespace !== namespace || app.name !== GATEWAY_NAME) continue;
    context.report(app, ["metadata", "name"], {
      found: `"${app.name}"`,
      message: `App ${workloadKey(app)} has the name of the gateway that its namespace has`,
      advice: "rename the App, or give the Mesh a namespace of its own",
    });
  }
}

function reportTwice(context: Context, name: string, wish: Wish, other: Wish): void {
  const { file, line } = other.document.origin(other.pathPath);
  context.report(wish.document, wish.pathPath, {
    found: `"${name}"`,
    message: `${name} is asked for twice, first at ${file}:${line}`,
    advice: "remove one of them, or share it by weight in a route of the Mesh",
  });
}

// ---------------------------------------------------------------- the table

function addRoute(
  draft: Draft,
  context: Context,
  namespace: string,
  wish: Wish,
  position: number,
): RoutePolicy {
  const { document, path, match, traffic } = wish;
  const at = ["policy", "listeners", GATEWAY_LISTENER, "routes", position];
  draft.note(at, document, path);
  draft.note([...at, "hosts"], document, wish.hostPath);
  draft.note([...at, "path"], document, wish.pathPath);
  draft.note([...at, "path", "kind"], document, wish.pathPath);
  draft.note([...at, "path", "value"], document, wish.pathPath);
  if (match.match !== undefined) {
    noteMatch(draft, at, document, [...path, "match"], match.match);
  }
  noteTraffic(draft, at, { document, path, spec: traffic });
  const backends = wish.backends.map((backend, nth): WeightedBackend => {
    const cluster = clusterName(backend.key, namespace);
    addPlainCluster(draft, context, cluster, { ...backend, document });
    draft.note([...at, "backends", nth, "cluster"], document, [...backend.path, "app"]);
    draft.note([...at, "backends", nth, "weight"], document, [...backend.path, "weight"]);
    return { cluster, weight: backend.weight };
  });
  const plain = routePolicy(match, backends, traffic, {
    ...wish.rules,
    edge: true,
    tls: meshWithTls(context)?.spec.gateway?.tls,
  });
  const mirror = mirrorCluster(draft, context, namespace, wish);
  const policy = withMirror(plain, wish.mirror?.spec, mirror);
  noteMirror(draft, at, document, path);
  noteFilters(draft, at, policy, { document, path });
  addSharedLimit(draft, context, document, path, traffic.rateLimit);
  noteRouteFilters(draft, at, policy.filters, document, path);
  return policy;
}

function mirrorCluster(
  draft: Draft,
  context: Context,
  namespace: string,
  { document, path, mirror }: Wish,
): string | null {
  if (mirror === undefined) return null;
  const cluster = clusterName(mirror.key, namespace);
  const to = [...path, "mirror", "to"];
  addPlainCluster(draft, context, cluster, { key: mirror.key, document, path: to });
  return cluster;
}

function clusterName(key: string, namespace: string): string {
  return key.startsWith(`${namespace}/`) ? key.slice(namespace.length + 1) : key;
}
