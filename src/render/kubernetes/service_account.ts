import type { AppDocument } from "../../api/document.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf } from "./rendering.ts";
import { because } from "./sourced.ts";

export function serviceAccountName({ name, spec }: AppDocument): string {
  return spec.serviceAccount.name ?? name;
}

/** Null where the App names an existing one. */
export function serviceAccount(app: AppDocument): KubeObject | null {
  if (app.spec.serviceAccount.name !== undefined) return null;
  const metadata = { namespace: app.namespace, name: app.name, labels: labelsOf(app) };
  return kubeObject(["v1", "ServiceAccount"], metadata, app.origin(["spec"]), {
    automountServiceAccountToken: because("a pod that needs its token says so itself", false),
  });
}
