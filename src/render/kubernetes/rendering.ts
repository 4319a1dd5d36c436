import type { AppDocument, Documents, MeshDocument } from "../../api/document.ts";
import { type Site, workloadKey } from "../../api/site.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compile } from "../../compile/mod.ts";
import type { Problem } from "../../schema/problem.ts";
import { clusterSite } from "./cluster_site.ts";
import { loopbackProblems } from "./bound_peers.ts";
import { clusterProblems } from "./cluster_problems.ts";
import { MANAGED_LABEL, NAME_LABEL } from "./names.ts";
import type { Target } from "./target.ts";

export interface RenderOptions {
  readonly target: Target;
  /** Of the sidecar and the gateway. */
  readonly image: string;
  /** Where sinks are, by their name, in the place of what a Mesh says. */
  readonly sinks?: Readonly<Record<string, string>>;
}

/** What every generator of objects is given. */
export interface Rendering extends RenderOptions {
  readonly documents: Documents;
  readonly site: Site;
  /** By `namespace/name`: of each App with a sidecar, and of the gateway. */
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  /** The gateway's; null where nothing is reached from outside. */
  readonly gateway: Snapshot | null;
  /** Whose file the gateway's objects are traced to. */
  readonly gatewayDocument: AppDocument | MeshDocument | null;
}

export interface Prepared {
  readonly rendering: Rendering;
  /** What the documents cannot mean on a cluster. */
  readonly problems: readonly Problem[];
}

/** Compiles the documents for a cluster. Pure. */
export function prepare(documents: Documents, options: RenderOptions): Prepared {
  const site = clusterSite(documents, options.target, options.sinks);
  const compiled = compile({ documents, site });
  const snapshots = new Map(compiled.snapshots.map((one) => [workloadKey(one.workload), one]));
  const apps = new Set(documents.apps.map(workloadKey));
  const gateway = compiled.snapshots.find(({ workload }) => !apps.has(workloadKey(workload))) ?? null;
  const mesh = documents.meshes.find(({ spec }) => spec.gateway !== undefined);
  const gatewayDocument =
    mesh ?? documents.meshes[0] ?? documents.apps.find(({ spec }) => spec.ingress.length > 0) ?? null;
  const rendering = { ...options, documents, site, snapshots, gateway, gatewayDocument };
  const lonely = compiled.snapshots.flatMap((one) => loopbackProblems(rendering, one));
  return { rendering, problems: [...compiled.problems, ...clusterProblems(documents), ...lonely] };
}

/** What finds an App's pods; never changed, for selectors cannot be. */
export function selectorOf(name: string): Readonly<Record<string, string>> {
  return { [NAME_LABEL]: name };
}

export function labelsOf(app: Pick<AppDocument, "name" | "labels">): Readonly<Record<string, string>> {
  return { ...app.labels, ...selectorOf(app.name), [MANAGED_LABEL]: "outrigger" };
}
