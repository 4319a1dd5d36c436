/**
 * A Prometheus configuration of what a ServiceMonitor chooses, found by the cluster itself: Services
 * by the monitor's labels, their endpoints by its port's name. The operator lets Prometheus look for
 * them; the one that Debian builds cannot.
 */
import { stringify } from "yaml";

/** Runs `kubectl get ... -o json` in the monitor's namespace. */
export type Get = (...words: readonly string[]) => Promise<any>;

/** @throws Error where the cluster has not put the endpoints of a Service together yet */
export async function scrapeConfigOf(monitor: any, get: Get): Promise<string> {
  const { namespace, name } = monitor.metadata;
  const [endpoint] = monitor.spec.endpoints;
  const labels = Object.entries(monitor.spec.selector.matchLabels as Record<string, string>);
  const selector = labels.map(([label, value]) => `${label}=${value}`).join(",");
  const { items: services } = await get("services", "-l", selector);
  const targets: object[] = [];
  for (const service of services) {
    const of = `kubernetes.io/service-name=${service.metadata.name}`;
    const { items: slices } = await get("endpointslices", "-l", of);
    if (slices.length === 0) throw new Error(`${service.metadata.name} has no endpoints yet`);
    for (const { ports, endpoints } of slices) {
      // Of a job that has ended nothing is left to ask.
      if ((endpoints ?? []).length === 0) continue;
      const port = ports?.find((one: any) => one.name === endpoint.port);
      if (port === undefined) throw new Error(`${service.metadata.name} has no such port yet`);
      for (const { addresses, targetRef } of endpoints) {
        const { metadata } = await get("pod", targetRef.name);
        const found = relabelled(endpoint.relabelings, metadata.labels);
        targets.push({
          targets: [`${addresses[0]}:${port.port}`],
          labels: { namespace, pod: targetRef.name, ...found },
        });
      }
    }
  }
  const job = { job_name: `serviceMonitor/${namespace}/${name}/0`, metrics_path: endpoint.path };
  return stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [{ ...job, static_configs: targets }],
  });
}

/** Labels that are fixed, or a pod's. */
function relabelled(rules: readonly any[], podLabels: Record<string, string>): Record<string, string> {
  const known = new Map(
    Object.entries(podLabels).map(([key, value]) => {
      return [`__meta_kubernetes_pod_label_${key.replaceAll(/[^a-zA-Z0-9]/g, "_")}`, value];
    }),
  );
  return Object.fromEntries(
    rules.map(({ sourceLabels, replacement, targetLabel }) => {
      return [targetLabel, replacement ?? known.get(sourceLabels[0]) ?? ""];
    }),
  );
}
