/**
 * What a sidecar talks with besides declared calls: Apps that its routes and mirrors name, sinks of
 * its pipelines, the traces' collector, the Redis of shared limits. Policies let exactly those through.
 */
import { findApp } from "../../api/app_index.ts";
import type { AppDocument } from "../../api/document.ts";
import { workloadKey } from "../../api/site.ts";
import type { Origin, Snapshot } from "../../api/snapshot.ts";
import { findOrigin } from "../../compile/origins.ts";
import type { Problem } from "../../schema/problem.ts";
import { podsService } from "./cluster_site.ts";
import type { Rendering } from "./rendering.ts";

export interface BoundPeer {
  readonly host: string;
  readonly port: number;
  /** The App whose name that is; null for what is none of ours. */
  readonly app: AppDocument | null;
  /** The line that says where it is; null where the command line did. */
  readonly origin: Origin | null;
}

/** @param calls names of clusters that are declared calls */
export function boundPeers(
  rendering: Rendering,
  snapshot: Snapshot,
  calls: readonly string[],
): readonly BoundPeer[] {
  const { pipelines, redis = {}, tracing, clusters } = snapshot.bindings;
  const found: BoundPeer[] = [];
  const add = (host: string, port: number, pointer: string): void => {
    if (found.some((one) => one.host === host && one.port === port)) return;
    const app = appOf(rendering, host, snapshot.workload.namespace);
    found.push({ host, port, app, origin: findOrigin(snapshot, pointer)?.origin ?? null });
  };
  const addUrl = (url: unknown, pointer: string): void => {
    if (typeof url !== "string" || !URL.canParse(url)) return;
    const { hostname, port, protocol } = new URL(url);
    const number = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
    add(hostname.replace(/^\[|\]$/g, ""), number, pointer);
  };
  for (const [name, { endpoints }] of Object.entries(clusters)) {
    if (snapshot.policy.clusters[name]?.kind !== "call" || calls.includes(name)) continue;
    for (const { host, port } of endpoints) add(host, port, `/bindings/clusters/${name}`);
  }
  for (const [name, { sinks }] of Object.entries(pipelines)) {
    for (const [sink, { url }] of Object.entries(sinks)) {
      addUrl(url, `/bindings/pipelines/${name}/sinks/${sink}/url`);
    }
  }
  for (const [name, { host, port }] of Object.entries(redis)) {
    add(host, port, `/bindings/redis/${name}`);
  }
  if (tracing !== undefined) addUrl(tracing.url, "/bindings/tracing/url");
  return found;
}

/** `api`, `api.shop`, `api.shop.svc.cluster.local`, or the same of its pods. */
function appOf(
  { documents, target }: Rendering,
  host: string,
  namespace: string,
): AppDocument | null {
  const short = host.endsWith(`.svc.${target.clusterDomain}`)
    ? host.slice(0, -`.svc.${target.clusterDomain}`.length)
    : host.replace(/\.svc$/, "");
  const [name = "", where = namespace, more] = short.split(".");
  if (more !== undefined) return null;
  const key = workloadKey({ namespace: where, name });
  return findApp(documents.apps, key) ?? appsByPods(documents.apps).get(key) ?? null;
}

const BY_PODS = new WeakMap<readonly AppDocument[], ReadonlyMap<string, AppDocument>>();

/** Apps by the names of the Services that lead to each of their pods. */
function appsByPods(apps: readonly AppDocument[]): ReadonlyMap<string, AppDocument> {
  const known = BY_PODS.get(apps);
  if (known !== undefined) return known;
  const keyOf = ({ namespace, name }: AppDocument) => workloadKey({ namespace, name: podsService(name) });
  const made = new Map(apps.map((app) => [keyOf(app), app]));
  BY_PODS.set(apps, made);
  return made;
}

/** A sink or a collector on the pod's own loopback, where nobody listens. */
export function loopbackProblems(rendering: Rendering, snapshot: Snapshot): readonly Problem[] {
  const lonely = boundPeers(rendering, snapshot, []).filter(({ host }) => isLoopback(host));
  const { namespace, name } = snapshot.workload;
  return lonely.flatMap(({ host, port, origin }) => {
    if (origin === null) return [];
    const { file, line, column, field } = origin;
    return {
      ...{ file, line, column, field, found: `${host}:${port}` },
      message: `${namespace}/${name} would send to ${host}:${port}: in its pod nobody listens there`,
      advice: "say where it is from inside the cluster; for a sink also by --sink NAME=URL",
    };
  });
}

/** Whether an address is the pod's own. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
