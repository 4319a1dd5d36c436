import type { AppDocument } from "../../api/document.ts";
import { NAME_LABEL, MANAGED_LABEL } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { securityLevel } from "./security.ts";
import { because } from "./sourced.ts";

const LEVELS = ["restricted", "baseline", "privileged"] as const;

/** @param apps all of one namespace, at least one */
export function namespaceObject(apps: readonly AppDocument[]): KubeObject {
  const [first] = apps;
  const { namespace } = first!;
  const loosest = Math.max(...apps.map((app) => LEVELS.indexOf(securityLevel(app))));
  const level = LEVELS[loosest]!;
  const why =
    loosest === 0
      ? "every App here fits: what does not is refused by the cluster itself"
      : "as tight as the loosest App here lets it be";
  const labels = {
    [NAME_LABEL]: namespace,
    [MANAGED_LABEL]: "outrigger",
    "pod-security.kubernetes.io/enforce": because(why, level),
    "pod-security.kubernetes.io/warn": "restricted",
  };
  return kubeObject(
    ["v1", "Namespace"],
    { name: namespace, labels },
    first!.origin(["metadata", "namespace"]),
    {},
  );
}
