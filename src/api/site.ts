/**
 * The Site: where the workloads of a set of files run. `up` writes one for a laptop, the control
 * plane one for a cluster; `compile/` puts it into a Snapshot's bindings and never into its policy.
 */
import type { RedisBinding } from "./redis.ts";
import type { AdminBinding, HostPort } from "./snapshot.ts";

export interface Site {
  /** By `namespace/name`: each App of the files, and any other workload that they call. */
  readonly workloads: Readonly<Record<string, WorkloadSite>>;
  /** Where the gateway runs; null where nothing may listen for it. */
  readonly gateway: GatewaySite | null;
  /**
   * Merged over the config of every sink of that name, for example
   * `{ elasticsearch: { url: "http://127.0.0.1:9200" } }`.
   */
  readonly sinks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Merged over what a Mesh says of the Redis of that name. */
  readonly redis?: Readonly<Record<string, Partial<RedisBinding>>>;
}

export interface WorkloadSite {
  /**
   * As callers reach it: the inbound listeners of its sidecars, or the processes themselves where
   * the sidecar is disabled. A host that is no IP address is a name that callers ask DNS for.
   */
  readonly endpoints: readonly HostPort[];
  /** Null for a workload that is only called: it is given no Snapshot. */
  readonly local: LocalSite | null;
}

/** What one sidecar needs to know about the place that it shares with its app. */
export interface LocalSite {
  /** Where the sidecar listens in front of the app; null for an App without a port. */
  readonly inbound: HostPort | null;
  /** Where the app's own process listens; null for an App without a port. */
  readonly app: HostPort | null;
  /** By the call's name: where the sidecar listens for the app. */
  readonly calls: Readonly<Record<string, HostPort>>;
  readonly admin: AdminBinding;
  /** Absolute path of the folder for checkpoints and the last good Snapshot. */
  readonly stateFolder: string;
  /** Absolute path of the app's working folder: log files are found from here. */
  readonly appFolder: string;
  /** Absolute path of its file's folder, where certificates are found from; missing: `appFolder`. */
  readonly filesFolder?: string;
}

export interface GatewaySite {
  readonly listener: HostPort;
  readonly admin: AdminBinding;
  readonly stateFolder: string;
  /** Absolute path of the Mesh's file's folder; missing: the root. */
  readonly filesFolder?: string;
}

/** The key of `Site.workloads`. */
export function workloadKey(ref: { readonly namespace: string; readonly name: string }): string {
  return `${ref.namespace}/${ref.name}`;
}
