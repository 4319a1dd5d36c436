/** For Velero: an App's objects and volumes, by its schedule. */
import type { AppDocument } from "../../api/document.ts";
import { boundedName } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf, selectorOf } from "./rendering.ts";
import { from } from "./sourced.ts";

/** Velero reads schedules in its own namespace only. */
const VELERO_NAMESPACE = "velero";
const HOUR_MS = 3_600_000;

/** Null where the App is not backed up. */
export function backupSchedule(app: AppDocument): KubeObject | null {
  const { backup } = app.spec;
  if (backup === undefined) return null;
  const at = ["spec", "backup"];
  const metadata = {
    namespace: VELERO_NAMESPACE,
    name: boundedName(`${app.namespace}-${app.name}`),
    labels: labelsOf(app),
  };
  return kubeObject(["velero.io/v1", "Schedule"], metadata, app.origin(at), {
    spec: {
      schedule: from(app, [...at, "schedule"], backup.schedule),
      template: {
        includedNamespaces: [app.namespace],
        labelSelector: { matchLabels: selectorOf(app.name) },
        snapshotVolumes: true,
        ttl: from(app, [...at, "keep"], `${Math.round(backup.keep / HOUR_MS)}h0m0s`),
      },
    },
  });
}
