/** For the Prometheus operator: where the metrics of sidecars and of the gateway are. */
import { SCRAPE_JOB } from "../monitored.ts";
import { MANAGED_LABEL, NAME_LABEL } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf, type Rendering } from "./rendering.ts";
import { because } from "./sourced.ts";

/**
 * A PodMonitor a namespace: each pod is read by itself, and the admin port stands in no Service, so
 * that nobody reaches it by a name.
 */
export function podMonitors({ documents, gateway, gatewayDocument }: Rendering): readonly KubeObject[] {
  const documentOf = new Map<string, (typeof documents.apps)[number] | NonNullable<typeof gatewayDocument>>();
  for (const app of documents.apps) {
    if (app.spec.sidecar.enabled && !documentOf.has(app.namespace)) documentOf.set(app.namespace, app);
  }
  if (gateway !== null && gatewayDocument !== null && !documentOf.has(gateway.workload.namespace)) {
    documentOf.set(gateway.workload.namespace, gatewayDocument);
  }
  return [...documentOf].sort().map(([namespace, document]) => {
    const metadata = { namespace, name: "outrigger", labels: labelsOf({ name: "outrigger", labels: {} }) };
    const origin = document.origin(["metadata", "name"]);
    return kubeObject(["monitoring.coreos.com/v1", "PodMonitor"], metadata, origin, {
      spec: {
        jobLabel: undefined,
        selector: { matchLabels: { [MANAGED_LABEL]: "outrigger" } },
        podMetricsEndpoints: [
          {
            port: "admin",
            path: "/metrics",
            interval: because("alerts look at a minute: four readings in it", "15s"),
            relabelings: [
              { action: "replace", replacement: SCRAPE_JOB, targetLabel: "job" },
              {
                action: "replace",
                sourceLabels: [`__meta_kubernetes_pod_label_${NAME_LABEL.replaceAll(/[^a-z]/g, "_")}`],
                targetLabel: "app",
              },
            ],
          },
        ],
      },
    });
  });
}
