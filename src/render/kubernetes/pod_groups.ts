/** Pods of an App beside its own: the same App under another name, where nothing else is said. */
import type { AppDocument } from "../../api/document.ts";
import { type Path, parsePath } from "../../schema/node.ts";
import { groupName } from "./cluster_site.ts";
import { NAME_LABEL } from "./names.ts";
import { serviceAccountName } from "./service_account.ts";
import type { Tree } from "./sourced.ts";

const PART_OF_LABEL = "app.kubernetes.io/part-of";

/** An App's pods of one kind, as if they were an App. */
type PodGroup = AppDocument & { readonly owner: AppDocument };

/** The App that is written in a file: whose Snapshot, files and account all its pods have. */
export function ownerOf(app: AppDocument | PodGroup): AppDocument {
  return "owner" in app ? app.owner : app;
}

export function podGroups(app: AppDocument): readonly AppDocument[] {
  return Object.keys(app.spec.pods).map((name): PodGroup => {
    const one = app.spec.pods[name]!;
    const { spec } = app;
    const toField = (path: string | Path): Path => {
      return fieldOf(app, name, typeof path === "string" ? parsePath(path) : path);
    };
    return {
      ...app,
      owner: app,
      name: groupName(app.name, name),
      labels: { ...app.labels, [PART_OF_LABEL]: app.name },
      spec: {
        ...spec,
        pods: {},
        image: one.image ?? spec.image,
        container: { ...spec.container, command: one.command ?? spec.container.command },
        env: { ...spec.env, ...one.env },
        replicas: one.replicas,
        resources: one.resources ?? spec.resources,
        port: one.listens ? spec.port : undefined,
        health: one.listens ? spec.health : undefined,
        serviceAccount: { ...spec.serviceAccount, name: serviceAccountName(app) },
        backup: undefined,
      },
      origin: (path) => app.origin(toField(path)),
      wrote: (path) => app.wrote(toField(path)),
    };
  });
}

/** Where a field of a group stands in the App's file. */
function fieldOf(app: AppDocument, group: string, path: Path): Path {
  const at = ["spec", "pods", group];
  const [first, second, third, ...rest] = path;
  if (first === "metadata" && second === "name") return at;
  if (first !== "spec") return path;
  if (second === "replicas") return [...at, ...path.slice(1)];
  const own: Path =
    second === "container" && third === "command" ? [...at, third, ...rest] : [...at, ...path.slice(1)];
  const isOwn = second === "env" ? app.wrote(own) : app.wrote(own.slice(0, at.length + 1));
  return isOwn ? own : path;
}

/** Finds all pods of an App, those of its groups too. */
export function everyPodOf(app: AppDocument): { readonly [key: string]: Tree } {
  const owner = ownerOf(app);
  const groups = Object.keys(owner.spec.pods);
  if (groups.length === 0) return { matchLabels: { [NAME_LABEL]: owner.name } };
  const values = [owner.name, ...groups.map((group) => groupName(owner.name, group))];
  return { matchExpressions: [{ key: NAME_LABEL, operator: "In", values }] };
}
