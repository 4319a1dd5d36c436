/** What the app calls: a listener and a cluster per declared call, and nothing else. */
import type { CallSpec } from "../api/app.ts";
import type { AppDocument } from "../api/document.ts";
import type { LocalSite } from "../api/site.ts";
import type { RoutePolicy } from "../api/snapshot.ts";
import { addCallCluster } from "./clusters.ts";
import type { Draft } from "./draft.ts";
import { listenerPolicy, noteListener } from "./listeners.ts";
import { addSharedLimit } from "./shared_limits.ts";
import type { Context } from "./source.ts";
import { noteFilters, noteTraffic, routePolicy } from "./traffic.ts";
import { addUserFilters, noteUserFilters, withUserFilters } from "./user_filters.ts";

const ANY = { host: "*", path: { kind: "prefix", value: "/" } } as const;

/** The listener of a call; no call can be named so itself. */
export function callListener(name: string): string {
  return `call:${name}`;
}

export function addCalls(
  draft: Draft,
  context: Context,
  app: AppDocument,
  local: LocalSite,
): void {
  for (const name of Object.keys(app.spec.calls).sort()) {
    if (!addCallCluster(draft, context, app, name)) continue;
    addCallListener(draft, context, app, name, local);
  }
}

function addCallListener(
  draft: Draft,
  context: Context,
  app: AppDocument,
  name: string,
  local: LocalSite,
): void {
  const address = Object.hasOwn(local.calls, name) ? local.calls[name] : undefined;
  if (address === undefined) {
    const caller = `${app.namespace}/${app.name}`;
    throw new Error(`The site has no address for the call ${name} of ${caller}.`);
  }
  const call = app.spec.calls[name] as CallSpec;
  const path = ["spec", "calls", name];
  const listener = callListener(name);
  const folder = local.filesFolder ?? local.appFolder;
  const own = { document: app, path: [...path, "filters"], specs: call.filters, folder };
  addUserFilters(draft, context, own);
  const plain = withOwnHost(routePolicy(ANY, [{ cluster: name, weight: 1 }], call), call);
  const route = withUserFilters(plain, own);
  draft.addListener(listener, listenerPolicy("outbound", [route], app.spec.sidecar), address);
  const at = ["policy", "listeners", listener];
  draft.note(at, app, path);
  noteListener(draft, app, listener);
  if (call.host !== undefined) draft.note([...at, "routes", 0, "filters"], app, [...path, "host"]);
  noteTraffic(draft, [...at, "routes", 0], { document: app, path, spec: call });
  noteFilters(draft, [...at, "routes", 0], route, { document: app, path });
  noteUserFilters(draft, [...at, "routes", 0], route, own);
  addSharedLimit(draft, context, app, path, call.rateLimit);
  draft.note(["bindings", "listeners", listener], app, path);
}

/** An external name is called by that name, not by the sidecar's address. */
function withOwnHost(route: RoutePolicy, { host, port }: CallSpec): RoutePolicy {
  if (host === undefined) return route;
  const authority = port === undefined || port === 80 ? host : `${host}:${port}`;
  return { ...route, filters: [...route.filters, { filter: "set_host", config: { host: authority } }] };
}
