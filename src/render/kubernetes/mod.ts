/** Everything that a set of files is on Kubernetes. Pure: the same input gives the same bytes. */
import type { Documents } from "../../api/document.ts";
import type { Problem } from "../../schema/problem.ts";
import { manifests, manifestText, objectText } from "./manifests.ts";
import type { KubeObject } from "./object.ts";
import { prepare, type RenderOptions } from "./rendering.ts";

export {
  INGRESSES,
  MONITORINGS,
  TARGET_NAMES,
  TARGETS,
  type Target,
  type TargetName,
} from "./target.ts";
export { explainObject, explainObjectText } from "./explain_object.ts";
export { diffObjects, objectsDiffText } from "./diff_objects.ts";
export { objectKey, type KubeObject } from "./object.ts";

export interface Rendered {
  readonly objects: readonly KubeObject[];
  readonly problems: readonly Problem[];
}

export function renderObjects(documents: Documents, options: RenderOptions): Rendered {
  const { rendering, problems } = prepare(documents, options);
  if (problems.length > 0) return { objects: [], problems };
  return manifests(rendering);
}

export const FORMATS = ["manifests", "kustomize"] as const;
export type Format = (typeof FORMATS)[number];

/** Files of a folder by their path in it; `manifests` may be one text as well: `manifestText`. */
export function filesOf(objects: readonly KubeObject[], format: Format): ReadonlyMap<string, string> {
  const files = new Map(objects.map((object) => [objectFileName(object), objectText(object)]));
  if (format === "kustomize") {
    const list = [...files.keys()].map((name) => `  - ${name}\n`).join("");
    const head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n";
    files.set("kustomization.yaml", head + list);
  }
  return files;
}

/** Its path in a folder. */
export function objectFileName({ kind, namespace, name }: KubeObject): string {
  const file = `${kind.toLowerCase()}-${name}.yaml`;
  return namespace === "" ? file : `${namespace}/${file}`;
}

export { manifestText };
