import type { AnyDocument, AppDocument } from "../../api/document.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { sha256Hex } from "../../base/hash.ts";
import { derivedName, SNAPSHOT_FILE } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf } from "./rendering.ts";

const CONFIG_MAP = ["v1", "ConfigMap"] as const;

export function snapshotName(name: string): string {
  return derivedName(name, "outrigger");
}

export function filesName(name: string): string {
  return derivedName(name, "files");
}

/** A sidecar's configuration. It reads a change by itself: nothing is rolled. */
export function snapshotConfig(
  document: AnyDocument,
  workload: Pick<AppDocument, "namespace" | "name" | "labels">,
  snapshot: Snapshot,
): KubeObject {
  const metadata = {
    namespace: workload.namespace,
    name: snapshotName(workload.name),
    labels: labelsOf(workload),
    annotations: { "outrigger.dev/policy-hash": snapshot.policyHash },
  };
  const data = { [SNAPSHOT_FILE]: `${JSON.stringify(snapshot, null, 1)}\n` };
  return kubeObject(CONFIG_MAP, metadata, document.origin(["spec"]), { data });
}

/** A ConfigMap's keys have no slashes. */
export function fileKey(path: string): string {
  return `${path.slice(path.lastIndexOf("/") + 1).replaceAll(/[^A-Za-z0-9._-]/g, "_")}-${sha256Hex(path).slice(0, 6)}`;
}

/** The files that an App brings; null where it brings none. */
export function filesConfig(app: AppDocument): KubeObject | null {
  const files = Object.entries(app.spec.config).sort(([a], [b]) => (a < b ? -1 : 1));
  if (files.length === 0) return null;
  const metadata = {
    namespace: app.namespace,
    name: filesName(app.name),
    labels: labelsOf(app),
  };
  const data = Object.fromEntries(files.map(([path, text]) => [fileKey(path), text]));
  return kubeObject(CONFIG_MAP, metadata, app.origin(["spec", "config"]), { data });
}

/** Changes when the App's files do, and rolls its pods by that. */
export function filesHash(app: AppDocument): string | undefined {
  const { config } = app.spec;
  return Object.keys(config).length === 0 ? undefined : sha256Hex(JSON.stringify(config)).slice(0, 16);
}
