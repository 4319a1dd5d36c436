/** A Site without a machine: what `compile`, `explain` and `diff` show before anything runs. */
import { join } from "node:path";
import type { AppDocument, Documents } from "../api/document.ts";
import { type LocalSite, type Site, workloadKey, type WorkloadSite } from "../api/site.ts";
import type { AdminBinding, HostPort } from "../api/snapshot.ts";
import { sha256Hex } from "../base/hash.ts";
import { processPort } from "./env.ts";

const HOST = "127.0.0.1";
/** Where a call's or an admin address' port comes from, for no file names one. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;
const GATEWAY_PORT = 8000;

export interface PaperFolders {
  /** Below it each workload has a folder for its state. */
  readonly state: string;
  /** The absolute folder that the App runs in. */
  readonly app: (app: AppDocument) => string;
}

/**
 * Each App on this machine, on the ports of its file. A port that no file names follows from what
 * listens there, so that another App changes none of them; only two of the same figure move on.
 */
export function paperSite(documents: Documents, folders: PaperFolders): Site {
  const ports = new Ports(documents);
  const workloads: Record<string, WorkloadSite> = {};
  for (const app of [...documents.apps].sort(byKey)) {
    workloads[workloadKey(app)] = workloadSite(app, ports, folders);
  }
  const [mesh] = documents.meshes;
  const key = "gateway";
  const gateway = {
    listener: { host: HOST, port: mesh?.spec.gateway?.port ?? GATEWAY_PORT },
    admin: adminOf(key, ports, folders),
    stateFolder: join(folders.state, key),
  };
  return { workloads, gateway, sinks: {} };
}

function byKey(a: AppDocument, b: AppDocument): number {
  return workloadKey(a) < workloadKey(b) ? -1 : 1;
}

function workloadSite(app: AppDocument, ports: Ports, folders: PaperFolders): WorkloadSite {
  const key = workloadKey(app);
  const { port, sidecar, calls } = app.spec;
  const own = processPort(app);
  const process = own === null ? null : { host: HOST, port: own };
  const inbound = port === undefined ? null : inboundOf(app, port, ports);
  const reached = sidecar.enabled ? inbound : process;
  const local: LocalSite = {
    inbound,
    app: process,
    calls: Object.fromEntries(
      Object.keys(calls)
        .sort()
        .map((name) => [name, ports.address(`${key}/calls/${name}`)]),
    ),
    admin: adminOf(key, ports, folders),
    stateFolder: join(folders.state, key),
    appFolder: folders.app(app),
  };
  return { endpoints: reached === null ? [] : [reached], local };
}

/** `port`, unless the process is there: in a container nobody else needs its port. */
function inboundOf(app: AppDocument, port: number, ports: Ports): HostPort {
  if (processPort(app) !== port) return { host: HOST, port };
  return ports.address(`${workloadKey(app)}/inbound`);
}

function adminOf(key: string, ports: Ports, folders: PaperFolders): AdminBinding {
  const readOnly = ports.address(`${key}/admin`);
  return { readOnly, socket: join(folders.state, key, "admin.sock") };
}

class Ports {
  #taken = new Set<number>();

  constructor(documents: Documents) {
    for (const { spec } of documents.apps) {
      for (const port of [spec.port, spec.run?.port]) if (port !== undefined) this.#taken.add(port);
    }
  }

  address(key: string): HostPort {
    const offset = Number.parseInt(sha256Hex(key).slice(0, 8), 16);
    for (let step = 0; step < PORTS; step++) {
      const port = FIRST_PORT + ((offset + step) % PORTS);
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      return { host: HOST, port };
    }
    throw new Error(`No port is left for ${key}: ${PORTS} are taken.`);
  }
}
