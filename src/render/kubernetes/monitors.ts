/** Where the metrics of sidecars and of the gateway are, in the way that a target has it. */
import type { AnyDocument, AppDocument } from "../../api/document.ts";
import { workloadKey } from "../../api/site.ts";
import { monitoredWorkloads } from "../monitored_workloads.ts";
import { SCRAPE_JOB } from "../monitored.ts";
import { prometheusRuleGroups } from "../prometheus_rules.ts";
import { ADMIN_PORT, MANAGED_LABEL, NAME_LABEL } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { podGroups } from "./pod_groups.ts";
import { labelsOf, type Rendering } from "./rendering.ts";
import { because, type Tree } from "./sourced.ts";

/** Of Services whose admin port a ServiceMonitor reads. */
export const METRICS_LABEL = "outrigger.dev/metrics";

const GROUP = "monitoring.coreos.com/v1";

/**
 * For the Prometheus operator, one a namespace. PodMonitors need no Service, so the admin port has no
 * name that anybody could call; ServiceMonitors read it from the Service without an address, whose
 * endpoints are the pods themselves.
 */
export function monitors(rendering: Rendering): readonly KubeObject[] {
  const { monitoring } = rendering.target;
  if (monitoring !== "pods" && monitoring !== "services") return [];
  const namespaces = [...documentsByNamespace(rendering)].sort(([a], [b]) => (a < b ? -1 : 1));
  return namespaces.map(([namespace, document]) => {
    const name = "outrigger";
    const metadata = { namespace, name, labels: labelsOf({ name, labels: {} }) };
    const origin = document.origin(["metadata", "name"]);
    if (monitoring === "pods") {
      return kubeObject([GROUP, "PodMonitor"], metadata, origin, {
        spec: {
          selector: { matchLabels: { [MANAGED_LABEL]: "outrigger" } },
          podMetricsEndpoints: [endpoint],
        },
      });
    }
    return kubeObject([GROUP, "ServiceMonitor"], metadata, origin, {
      spec: { selector: { matchLabels: { [METRICS_LABEL]: "pods" } }, endpoints: [endpoint] },
    });
  });
}

const endpoint: Tree = {
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
};

function documentsByNamespace({
  documents,
  gateway,
  gatewayDocument,
}: Rendering): ReadonlyMap<string, AnyDocument> {
  const found = new Map<string, AnyDocument>();
  for (const app of documents.apps) {
    if (app.spec.sidecar.enabled && !found.has(app.namespace)) found.set(app.namespace, app);
  }
  if (gateway !== null && gatewayDocument !== null && !found.has(gateway.workload.namespace)) {
    found.set(gateway.workload.namespace, gatewayDocument);
  }
  return found;
}

/** The name by which monitors find the admin port in a Service. */
export const ADMIN_SERVICE_PORT: Tree = {
  name: "admin",
  port: because("for the ServiceMonitor; policies let only who collects metrics in", ADMIN_PORT),
  protocol: "TCP",
  targetPort: ADMIN_PORT,
};

/** Where there is no operator: what Prometheus' own example of a configuration looks for. */
export function scrapeAnnotations(
  { target }: Rendering,
  app: AppDocument | null,
): { readonly [key: string]: Tree } {
  if (target.monitoring !== "annotations" || app?.spec.sidecar.enabled === false) return {};
  return {
    "prometheus.io/scrape": because("there is no operator: the scrape configuration reads it", "true"),
    "prometheus.io/port": String(ADMIN_PORT),
    "prometheus.io/path": "/metrics",
  };
}

/** Recording and alerting rules for the operator: an object a workload, for one has a bounded size. */
export function ruleObjects(rendering: Rendering): readonly KubeObject[] {
  const { documents, snapshots, target, gatewayDocument } = rendering;
  if (target.monitoring !== "pods" && target.monitoring !== "services") return [];
  const apps = new Map(documents.apps.map((app) => [workloadKey(app), app]));
  return monitoredWorkloads(documents, [...snapshots.values()]).flatMap((workload) => {
    const app = apps.get(workloadKey(workload));
    const document = app ?? gatewayDocument;
    if (document === null) return [];
    const { namespace, name } = workload;
    const metadata = { namespace, name, labels: labelsOf(app ?? { name, labels: {} }) };
    const origin = document.origin(app === undefined ? ["spec"] : ["spec", "slo"]);
    // Pods of other groups tell their figures under names of their own.
    const names = [name, ...(app === undefined ? [] : podGroups(app).map((one) => one.name))];
    const watched = names.map((one) => ({ ...workload, name: one }));
    const groups = prometheusRuleGroups(watched) as unknown as Tree;
    return [kubeObject([GROUP, "PrometheusRule"], metadata, origin, { spec: { groups } })];
  });
}
