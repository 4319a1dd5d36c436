import type { AppDocument } from "../../api/document.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf, selectorOf } from "./rendering.ts";
import { because } from "./sourced.ts";
import { isTask } from "./pod.ts";

/** Null for one pod alone: a budget would only keep its node from being emptied. */
export function disruptionBudget(app: AppDocument): KubeObject | null {
  const { replicas, perNode } = app.spec;
  if (replicas === undefined || replicas.min < 2 || perNode || isTask(app)) return null;
  const metadata = { namespace: app.namespace, name: app.name, labels: labelsOf(app) };
  const origin = app.origin(["spec", "replicas"]);
  return kubeObject(["policy/v1", "PodDisruptionBudget"], metadata, origin, {
    spec: {
      maxUnavailable: because("a node that is emptied takes one pod at a time", 1),
      selector: { matchLabels: selectorOf(app.name) },
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    },
  });
}
