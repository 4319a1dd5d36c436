import type { Documents } from "../api/document.ts";
import { workloadKey } from "../api/site.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { callListener } from "../compile/outbound.ts";
import type { MonitoredWorkload } from "./monitored.ts";

/** What there is to watch: each Snapshot, with the objectives of its App. */
export function monitoredWorkloads(
  documents: Documents,
  snapshots: readonly Snapshot[],
): MonitoredWorkload[] {
  const apps = new Map(documents.apps.map((app) => [workloadKey(app), app]));
  return snapshots.map(({ workload, policy, bindings }): MonitoredWorkload => {
    const slo = apps.get(workloadKey(workload))?.spec.slo;
    const isGateway = Object.values(policy.listeners).some((one) => one.direction === "gateway");
    const calls = Object.entries(policy.clusters).filter(([name]) => {
      return Object.hasOwn(policy.listeners, callListener(name));
    });
    return {
      namespace: workload.namespace,
      name: workload.name,
      direction: isGateway ? "gateway" : "inbound",
      calls: calls.map(([name, cluster]) => {
        return { name, listener: callListener(name), hasBreaker: cluster.breaker !== null };
      }),
      availability: slo?.availability ?? null,
      p99Ms: slo?.latency?.p99 ?? null,
      pipelines: Object.keys(policy.pipelines),
      certificates: {
        toCallers: Object.values(policy.listeners).some(({ tls }) => tls !== undefined),
        toCallees: Object.values(bindings.clusters).some(({ tls }) => (tls?.client ?? null) !== null),
      },
    };
  });
}
