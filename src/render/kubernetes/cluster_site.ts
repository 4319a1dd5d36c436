/** Where workloads run on Kubernetes: what `compile/` binds their policies to. */
import { findApp } from "../../api/app_index.ts";
import type { AppDocument, Documents } from "../../api/document.ts";
import { parseAppReference } from "../../api/names.ts";
import { type LocalSite, type Site, type WorkloadSite, workloadKey } from "../../api/site.ts";
import type { AdminBinding, HostPort } from "../../api/snapshot.ts";
import {
  ADMIN_PORT,
  derivedName,
  GATEWAY_PORT,
  INBOUND_PORT,
  STATE_FOLDER,
} from "./names.ts";
import type { Target } from "./target.ts";

const ANY = "0.0.0.0";
const LOOPBACK = "127.0.0.1";

/**
 * Callers find the pods of an App by a Service without an address of its own: so their sidecars
 * balance over the pods themselves, and no name that an app asks for hides it from the sidecar.
 */
export function podsService(name: string): string {
  return derivedName(name, "pods");
}

/** @param sinks where sinks are, by their name, in the place of what a Mesh says */
/** A group of an App's pods is named as an App is. */
export function groupName(app: string, group: string): string {
  return derivedName(app, group);
}

export function clusterSite(
  documents: Documents,
  target: Target,
  sinks: Readonly<Record<string, string>> = {},
): Site {
  const workloads: Record<string, WorkloadSite> = {};
  for (const app of documents.apps) {
    workloads[workloadKey(app)] = {
      endpoints: app.spec.port === undefined ? [] : [endpointOf(app, app.spec.port, target)],
      local: app.spec.sidecar.enabled ? localSite(documents, app) : null,
    };
  }
  const gateway = {
    listener: { host: ANY, port: GATEWAY_PORT },
    admin: adminOf(),
    stateFolder: STATE_FOLDER,
  };
  const places = Object.entries(sinks).map(([name, url]) => [name, { url }] as const);
  return { workloads, gateway, sinks: Object.fromEntries(places) };
}

function endpointOf(app: AppDocument, port: number, { clusterDomain }: Target): HostPort {
  const host = `${podsService(app.name)}.${app.namespace}.svc.${clusterDomain}`;
  return { host, port: app.spec.sidecar.enabled ? INBOUND_PORT : port };
}

function localSite(documents: Documents, app: AppDocument): LocalSite {
  const { port, container } = app.spec;
  const calls = callAddresses(documents, app);
  return {
    inbound: port === undefined ? null : { host: ANY, port: INBOUND_PORT },
    app: port === undefined ? null : { host: LOOPBACK, port },
    calls: Object.fromEntries(calls.map(({ name, address }) => [name, address])),
    admin: adminOf(),
    stateFolder: STATE_FOLDER,
    appFolder: container.dir ?? "/",
  };
}

function adminOf(): AdminBinding {
  return { readOnly: { host: ANY, port: ADMIN_PORT }, socket: `${STATE_FOLDER}/admin.sock` };
}

/** A call as the app makes it, without knowing of the sidecar. */
export interface CallAddress {
  /** The call's. */
  readonly name: string;
  /** Where the sidecar listens for it, inside the pod. */
  readonly address: HostPort;
  /** The names that the app may use: they lead to `address`. */
  readonly hosts: readonly string[];
}

/** Each call has an address of its own, so that the app uses the callee's name and port. */
export function callAddresses(documents: Documents, app: AppDocument): readonly CallAddress[] {
  const names = Object.keys(app.spec.calls).sort();
  return names.map((name, index) => {
    // 127.0.0.0/24 is the app's own.
    const host = `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;
    const { port, hosts } = calledAs(documents, app, name);
    return { name, address: { host, port }, hosts };
  });
}

interface CalledAs {
  readonly port: number;
  readonly hosts: readonly string[];
}

function calledAs({ apps }: Documents, app: AppDocument, name: string): CalledAs {
  const call = app.spec.calls[name]!;
  if (call.host !== undefined) return { port: call.port ?? HTTP_PORT, hosts: [call.host] };
  const [first] = call.endpoints ?? [];
  if (first !== undefined) return { port: first.port, hosts: [name] };
  const callee = parseAppReference(call.app ?? name, app.namespace);
  const found = findApp(apps, workloadKey(callee));
  const long = [`${callee.name}.${callee.namespace}`, `${callee.name}.${callee.namespace}.svc`];
  const near = callee.namespace === app.namespace ? [callee.name] : [];
  const hosts = new Set([name, ...near, ...long]);
  // A name that is another call's means that one.
  for (const other of Object.keys(app.spec.calls)) if (other !== name) hosts.delete(other);
  return { port: found?.spec.port ?? HTTP_PORT, hosts: [...hosts] };
}

const HTTP_PORT = 80;
