import { dirname, resolve } from "node:path";

import type { AnyDocument, AppDocument, Documents } from "../api/document.ts";
import { STDIN_NAME } from "../api/read_files.ts";
import type { GatewaySite, LocalSite, Site, WorkloadSite } from "../api/site.ts";
import { workloadKey } from "../api/site.ts";
import type { HostPort } from "../api/snapshot.ts";
import { processPort } from "../compile/env.ts";
import { LOCAL_HOST, type PortWish } from "./allot_ports.ts";
import type { StateFolder } from "./state_folder.ts";

/** The key of the gateway's ports, folder and process. */
export const GATEWAY = "gateway";

/** The key of the console page's port. */
export const CONSOLE = "console";

type Ports = Readonly<Record<string, number>>;

/** Every port that the files need on this machine. */
export function portWishes(documents: Documents): readonly PortWish[] {
  const wishes: PortWish[] = [
    { key: CONSOLE, wanted: null, what: "the console page", mayMove: true },
  ];
  const add = (key: string, wanted: number | null, what: string, mayMove = false) => {
    wishes.push({ key, wanted, what, mayMove });
  };
  for (const app of documents.apps) {
    if (app.spec.run === undefined) continue;
    const key = workloadKey(app);
    const own = listenPort(app);
    if (own !== null) add(`${key}/app`, own, `App ${key}`);
    if (!app.spec.sidecar.enabled) continue;
    add(`${key}/admin`, null, `the sidecar of ${key}`);
    if (app.spec.port !== undefined) {
      add(`${key}/inbound`, app.spec.port, `the sidecar of ${key}`, true);
    }
    for (const call of Object.keys(app.spec.calls)) {
      add(`${key}/calls/${call}`, null, `the sidecar of ${key}, for calls to ${call}`);
    }
  }
  if (hasGateway(documents)) {
    add(`${GATEWAY}/listener`, gatewayPort(documents), "the gateway");
    add(`${GATEWAY}/admin`, null, "the gateway");
  }
  return wishes;
}

export function buildSite(
  documents: Documents,
  ports: Ports,
  state: StateFolder,
  folder: string,
): Site {
  const workloads: Record<string, WorkloadSite> = {};
  for (const app of documents.apps) {
    workloads[workloadKey(app)] = workloadSite(app, ports, state, folder);
  }
  const gateway: GatewaySite | null = hasGateway(documents)
    ? {
        listener: local(ports[`${GATEWAY}/listener`]),
        admin: admin(GATEWAY, ports, state),
        stateFolder: state.workload(GATEWAY),
        filesFolder: gatewayFolder(documents, folder),
      }
    : null;
  return { workloads, gateway, sinks: {} };
}

function workloadSite(
  app: AppDocument,
  ports: Ports,
  state: StateFolder,
  folder: string,
): WorkloadSite {
  const key = workloadKey(app);
  const { spec } = app;
  const own = listenPort(app);
  // Without `run` it is started by hand, and expected where callers look for it.
  const direct = spec.run === undefined ? (spec.port ?? null) : own;
  if (spec.run === undefined || !spec.sidecar.enabled) {
    const endpoints = direct === null ? [] : [local(direct)];
    return { endpoints, local: null };
  }
  const calls: Record<string, HostPort> = {};
  for (const call of Object.keys(spec.calls)) calls[call] = local(ports[`${key}/calls/${call}`]);
  const inbound = spec.port === undefined ? null : local(ports[`${key}/inbound`]);
  const site: LocalSite = {
    inbound,
    app: own === null ? null : local(own),
    calls,
    admin: admin(key, ports, state),
    stateFolder: state.workload(key),
    appFolder: appFolder(app, folder),
    filesFolder: filesFolder(app, folder),
  };
  return { endpoints: inbound === null ? [] : [inbound], local: site };
}

/** How callers come to a workload; null is the gateway. */
export function schemeOf({ apps, meshes }: Documents, workload: string | null): "http" | "https" {
  const secured =
    workload === null
      ? meshes.some(({ spec }) => spec.gateway?.tls !== undefined)
      : apps.some((app) => workloadKey(app) === workload && app.spec.tls !== undefined);
  return secured ? "https" : "http";
}

/** Where the process that is started here listens; null where none is, or nobody knows. */
export function listenPort(app: AppDocument): number | null {
  return app.spec.run === undefined ? null : processPort(app);
}

/** Folders are relative to the file; those of standard input to where the user is. */
export function appFolder(app: AppDocument, folder: string): string {
  return resolve(filesFolder(app, folder), app.spec.run?.dir ?? ".");
}

function filesFolder({ file }: AnyDocument, folder: string): string {
  return file !== STDIN_NAME ? dirname(resolve(folder, file)) : folder;
}

/** Of the Mesh that the gateway has its certificates from. */
function gatewayFolder({ meshes }: Documents, folder: string): string {
  const mesh = meshes.find(({ spec }) => spec.gateway?.tls !== undefined);
  return mesh === undefined ? folder : filesFolder(mesh, folder);
}

function hasGateway({ apps, meshes }: Documents): boolean {
  return (
    meshes.some(({ spec }) => spec.gateway !== undefined || spec.routes.length > 0) ||
    apps.some(({ spec }) => spec.ingress.length > 0)
  );
}

function gatewayPort({ meshes }: Documents): number | null {
  return meshes.find(({ spec }) => spec.gateway !== undefined)?.spec.gateway?.port ?? null;
}

function admin(key: string, ports: Ports, state: StateFolder) {
  return { readOnly: local(ports[`${key}/admin`]), socket: state.socket(key) };
}

function local(port: number | undefined): HostPort {
  return { host: LOCAL_HOST, port: port ?? 0 };
}
