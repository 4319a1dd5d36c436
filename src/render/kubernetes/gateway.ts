/** The door from outside: our own proxy in a Deployment of its own. */
import { GATEWAY_NAME } from "../../compile/gateway.ts";
import { snapshotConfig, snapshotName } from "./config_map.ts";
import { podsService } from "./cluster_site.ts";
import { ADMIN_SERVICE_PORT, METRICS_LABEL, scrapeAnnotations } from "./monitors.ts";
import { GATEWAY_PORT } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { sidecarVolumes } from "./pod.ts";
import { labelsOf, type Rendering, selectorOf } from "./rendering.ts";
import { graceSeconds } from "./leave_hook.ts";
import { SIDECAR_USER } from "./security.ts";
import { sidecarContainer } from "./sidecar_container.ts";
import { because } from "./sourced.ts";
import { spreadOf } from "./spread.ts";

const NAME = GATEWAY_NAME;

/** Empty where nothing is reached from outside. */
export function gatewayObjects(rendering: Rendering): readonly KubeObject[] {
  const { gateway, gatewayDocument: document } = rendering;
  if (gateway === null || document === null) return [];
  const { namespace } = gateway.workload;
  const labels = labelsOf({ name: NAME, labels: {} });
  const metadata = { namespace, name: NAME, labels };
  const origin = document.origin(["spec"]);
  const account = kubeObject(["v1", "ServiceAccount"], metadata, origin, {
    automountServiceAccountToken: because("it never talks with Kubernetes", false),
  });
  const service = kubeObject(["v1", "Service"], metadata, origin, {
    spec: {
      selector: selectorOf(NAME),
      ports: [{ name: "http", port: 80, targetPort: GATEWAY_PORT, protocol: "TCP" }],
    },
  });
  const found = { ...metadata, name: podsService(NAME), labels: { ...labels, [METRICS_LABEL]: "pods" } };
  const metricsService = kubeObject(["v1", "Service"], found, origin, {
    spec: { clusterIP: "None", selector: selectorOf(NAME), ports: [ADMIN_SERVICE_PORT] },
  });
  const budget = kubeObject(["policy/v1", "PodDisruptionBudget"], metadata, origin, {
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(NAME) } },
  });
  return [
    snapshotConfig(document, { namespace, name: NAME, labels: {} }, gateway),
    account,
    kubeObject(["apps/v1", "Deployment"], metadata, origin, { spec: deployment(rendering) }),
    service,
    ...(rendering.target.monitoring === "services" ? [metricsService] : []),
    budget,
  ];
}

function deployment(rendering: Rendering) {
  const { target, image, gateway } = rendering;
  const annotations = scrapeAnnotations(rendering, null);
  const labels = labelsOf({ name: NAME, labels: {} });
  const ports = [{ name: "http", port: GATEWAY_PORT }];
  const container = sidecarContainer({ target, image, app: null, ports, logs: [] }, true);
  const drainMs = gateway!.policy.drainMs;
  return {
    replicas: because("two: the door must not close with one node", 2),
    revisionHistoryLimit: 5,
    strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    selector: { matchLabels: selectorOf(NAME) },
    template: {
      metadata: {
        labels,
        annotations: Object.keys(annotations).length === 0 ? undefined : annotations,
      },
      spec: {
        serviceAccountName: NAME,
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: {
          seccompProfile: { type: "RuntimeDefault" },
          fsGroup: target.assignsUser ? undefined : SIDECAR_USER,
        },
        terminationGracePeriodSeconds: graceSeconds(drainMs),
        topologySpreadConstraints: spreadOf(NAME, "ScheduleAnyway"),
        containers: [container],
        volumes: sidecarVolumes(snapshotName(NAME)),
      },
    },
  };
}
