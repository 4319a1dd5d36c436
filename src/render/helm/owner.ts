/** Which App an object is of. */
import type { KubeObject } from "../kubernetes/object.ts";
import { APP_CONTAINER, NAME_LABEL, SIDECAR_CONTAINER } from "../kubernetes/names.ts";
import type { Plain } from "../kubernetes/sourced.ts";
import { memberAt, type Step } from "./template.ts";

export interface Owner {
  readonly namespace: string;
  readonly name: string;
  /** Of its values: its name, where that is one App's alone. */
  readonly key: string;
  /** The App whose pods these are too; its own key without one. */
  readonly root: string;
}

const PART_OF_LABEL = "app.kubernetes.io/part-of";

/** Path of the pod's spec by the kind of what runs it. */
export const POD_SPECS: Readonly<Record<string, readonly Step[]>> = {
  Deployment: ["spec", "template", "spec"],
  StatefulSet: ["spec", "template", "spec"],
  DaemonSet: ["spec", "template", "spec"],
  Job: ["spec", "template", "spec"],
  CronJob: ["spec", "jobTemplate", "spec", "template", "spec"],
};

export function ownersOf(objects: readonly KubeObject[]): readonly Owner[] {
  const apps = objects.filter(runsApp);
  const count = (name: string): number => apps.filter((one) => one.name === name).length;
  const keyOf = ({ namespace, name }: KubeObject): string => {
    return count(name) === 1 ? name : `${namespace}.${name}`;
  };
  return apps.map((one) => {
    const whole = memberAt(one.body, ["metadata", "labels", PART_OF_LABEL]);
    const root = apps.find(({ namespace, name }) => namespace === one.namespace && name === whole);
    const { namespace, name } = one;
    return { namespace, name, key: keyOf(one), root: keyOf(root ?? one) };
  });
}

/** Null for what Apps share: the namespace, the gateway, what lets nothing in. */
export function ownerOf(owners: readonly Owner[], object: KubeObject): Owner | null {
  const label = memberAt(object.body, ["metadata", "labels", NAME_LABEL]);
  const found = owners.filter(({ name }) => name === label);
  // A backup is in a namespace of the tool's, and its name begins with the App's.
  const near = found.find(({ namespace }) => namespace === object.namespace);
  return near ?? found.find((one) => object.name === `${one.namespace}-${one.name}`) ?? null;
}

function runsApp(object: KubeObject): boolean {
  return containersOf(object).some((one) => memberAt(one, ["name"]) === APP_CONTAINER);
}

export function sidecarImage(objects: readonly KubeObject[]): string | null {
  for (const one of objects.flatMap(containersOf)) {
    const image = memberAt(one, ["image"]);
    if (memberAt(one, ["name"]) === SIDECAR_CONTAINER && typeof image === "string") return image;
  }
  return null;
}

function containersOf(object: KubeObject): readonly Plain[] {
  const path = POD_SPECS[object.kind];
  if (path === undefined) return [];
  return ["initContainers", "containers"].flatMap((list) => {
    const found = memberAt(object.body, [...path, list]);
    return Array.isArray(found) ? (found as Plain[]) : [];
  });
}
