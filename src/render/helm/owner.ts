/** Which App an object is of. */
import type { KubeObject } from "../kubernetes/object.ts";
import { APP_CONTAINER, NAME_LABEL } from "../kubernetes/names.ts";
import { memberAt, type Step } from "./template.ts";

export interface Owner {
  readonly namespace: string;
  readonly name: string;
  /** Of its values: its name, where that is one App's alone. */
  readonly key: string;
}

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
  return apps.map(({ namespace, name }) => {
    return { namespace, name, key: count(name) === 1 ? name : `${namespace}.${name}` };
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
  const path = POD_SPECS[object.kind];
  const containers = path && memberAt(object.body, [...path, "containers"]);
  return Array.isArray(containers) && containers.some((one) => one?.name === APP_CONTAINER);
}
