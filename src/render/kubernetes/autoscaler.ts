import type { AppDocument } from "../../api/document.ts";
import type { ScalingMetric } from "../../api/workload_spec.ts";
import { APP_CONTAINER } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { figureQuantity } from "./quantities.ts";
import { labelsOf } from "./rendering.ts";
import { because, from, type Tree } from "./sourced.ts";
import { workloadKind } from "./workload_kind.ts";

/** Null where the number of pods is fixed. The app's container alone counts, never its sidecar. */
export function autoscaler(app: AppDocument): KubeObject | null {
  const { replicas } = app.spec;
  const kind = workloadKind(app);
  if (replicas === undefined || replicas.max <= replicas.min) return null;
  if (kind !== "Deployment" && kind !== "StatefulSet") return null;
  const at = ["spec", "replicas"];
  const averageUtilization = from(
    app,
    [...at, "cpu"],
    Math.round((replicas.cpu ?? 0.8) * 100),
    "room for what comes while a new pod starts",
  );
  const metadata = { namespace: app.namespace, name: app.name, labels: labelsOf(app) };
  return kubeObject(["autoscaling/v2", "HorizontalPodAutoscaler"], metadata, app.origin(at), {
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind, name: app.name },
      minReplicas: from(app, [...at, "min"], Math.max(1, replicas.min)),
      maxReplicas: from(app, [...at, "max"], replicas.max),
      metrics: [
        {
          type: because("of the app's container: the sidecar's share would skew it", "ContainerResource"),
          containerResource: {
            name: "cpu",
            container: APP_CONTAINER,
            target: { type: "Utilization", averageUtilization },
          },
        },
        ...replicas.metrics.map((one, index) => from(app, [...at, "metrics", index], metric(one))),
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
    },
  });
}

function metric({ name, of, target, labels }: ScalingMetric): Tree {
  const hasLabels = Object.keys(labels).length > 0;
  const body = {
    metric: { name, selector: hasLabels ? { matchLabels: { ...labels } } : undefined },
    target: { type: "AverageValue", averageValue: figureQuantity(target) },
  };
  return of === "pods" ? { type: "Pods", pods: body } : { type: "External", external: body };
}
