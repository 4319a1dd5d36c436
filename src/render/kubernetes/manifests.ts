/** All objects of a set of files, in the order in which they are applied. */
import type { AppDocument } from "../../api/document.ts";
import { workloadKey } from "../../api/site.ts";
import { autoscaler } from "./autoscaler.ts";
import { backupSchedule } from "./backup.ts";
import { filesConfig, snapshotConfig } from "./config_map.ts";
import { dependencyObjects } from "./dependencies.ts";
import { disruptionBudget } from "./disruption_budget.ts";
import { gatewayObjects } from "./gateway.ts";
import { ingressObjects } from "./ingress.ts";
import { monitors, ruleObjects } from "./monitors.ts";
import { namespaceBounds } from "./namespace_bounds.ts";
import { namespaceObject } from "./namespace.ts";
import { defaultDeny, gatewayPolicy, networkPolicy } from "./network_policy.ts";
import type { KubeObject } from "./object.ts";
import { type Overridden, override } from "./overrides.ts";
import { podGroups } from "./pod_groups.ts";
import { plainYaml } from "./plain_yaml.ts";
import type { Rendering } from "./rendering.ts";
import { services } from "./service.ts";
import { serviceAccount } from "./service_account.ts";
import { workload } from "./workload.ts";

/** With what the files' overrides change of them. */
export function manifests(rendering: Rendering): Overridden {
  return override(rendering.documents.apps, generated(rendering));
}

function generated(rendering: Rendering): readonly KubeObject[] {
  const apps = [...rendering.documents.apps].sort((a, b) => (workloadKey(a) < workloadKey(b) ? -1 : 1));
  const byNamespace = Map.groupBy(apps, ({ namespace }) => namespace);
  return [
    ...[...byNamespace.values()].map(namespaceObject),
    ...namespaceBounds(rendering),
    ...[...byNamespace].map(([namespace, [first]]) => defaultDeny(namespace, first!)),
    ...dependencyObjects(apps),
    ...apps.flatMap((app) => objectsOf(rendering, app)),
    ...gatewayObjects(rendering),
    ...present(gatewayPolicy(rendering)),
    ...ingressObjects(rendering),
    ...monitors(rendering),
    ...ruleObjects(rendering),
  ];
}

function objectsOf(rendering: Rendering, app: AppDocument): readonly KubeObject[] {
  const snapshot = rendering.snapshots.get(workloadKey(app));
  return [
    ...present(serviceAccount(app)),
    ...(snapshot === undefined ? [] : [snapshotConfig(app, app, snapshot)]),
    ...present(filesConfig(app)),
    ...services(rendering, app),
    networkPolicy(rendering, app),
    workload(rendering, app),
    ...present(autoscaler(app)),
    ...present(disruptionBudget(app)),
    ...present(backupSchedule(app)),
    ...podGroups(app).flatMap((group) => groupObjects(rendering, group)),
  ];
}

/** The App's account, Snapshot and files are theirs too. */
function groupObjects(rendering: Rendering, group: AppDocument): readonly KubeObject[] {
  return [
    ...services(rendering, group),
    networkPolicy(rendering, group),
    workload(rendering, group),
    ...present(autoscaler(group)),
    ...present(disruptionBudget(group)),
  ];
}

function present<T>(value: T | null): readonly T[] {
  return value === null ? [] : [value];
}

/** A YAML stream. The same objects give the same bytes. */
export function manifestText(objects: readonly KubeObject[]): string {
  return objects.map(({ body }) => plainYaml(body, true)).join("");
}

export function objectText({ body }: KubeObject): string {
  return plainYaml(body);
}
