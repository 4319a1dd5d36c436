/** What a namespace's pods may have: the Mesh's `namespaces`. */
import type { MeshDocument } from "../../api/document.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { bytesQuantity, cpuQuantity } from "./quantities.ts";
import { labelsOf, type Rendering } from "./rendering.ts";
import { because, from, type Tree } from "./sourced.ts";

const NAME = "outrigger";
/** Of what limits may be to what is reserved: memory is rarely all in use at once. */
const LIMIT_FACTOR = 2;

export function namespaceBounds({ documents }: Rendering): readonly KubeObject[] {
  return documents.meshes.flatMap((mesh) =>
    Object.keys(mesh.spec.namespaces)
      .sort()
      .flatMap((name) => boundsOf(mesh, name)),
  );
}

function boundsOf(mesh: MeshDocument, namespace: string): readonly KubeObject[] {
  const { quota, defaults } = mesh.spec.namespaces[namespace]!;
  const at = ["spec", "namespaces", namespace];
  const metadata = { namespace, name: NAME, labels: labelsOf({ name: NAME, labels: {} }) };
  const object = (kind: string, field: string, spec: { readonly [key: string]: Tree }) => {
    return kubeObject(["v1", kind], metadata, mesh.origin([...at, field]), { spec });
  };
  const part = (field: string, which: string, amount: number | undefined, show: Show): Tree => {
    return amount === undefined ? undefined : from(mesh, [...at, field, which], show(amount));
  };
  const memory = quota?.memory;
  const hard = {
    "requests.cpu": part("quota", "cpu", quota?.cpu, cpuQuantity),
    "requests.memory": part("quota", "memory", memory, bytesQuantity),
    "limits.memory":
      memory === undefined
        ? undefined
        : because("twice what is reserved", bytesQuantity(memory * LIMIT_FACTOR)),
    pods: part("quota", "pods", quota?.pods, String),
    "requests.storage": part("quota", "storage", quota?.storage, bytesQuantity),
  };
  const limits = {
    type: "Container",
    defaultRequest: {
      cpu: part("defaults", "cpu", defaults?.cpu, cpuQuantity),
      memory: part("defaults", "memory", defaults?.memory, bytesQuantity),
    },
    default: { memory: part("defaults", "memory", defaults?.memory, bytesQuantity) },
  };
  return [
    ...(quota === undefined ? [] : [object("ResourceQuota", "quota", { hard })]),
    ...(defaults === undefined ? [] : [object("LimitRange", "defaults", { limits: [limits] })]),
  ];
}

type Show = (amount: number) => string;
