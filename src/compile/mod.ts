import type { AppDocument, Documents } from "../api/document.ts";
import { type LocalSite, type Site, workloadKey } from "../api/site.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { Problem } from "../schema/problem.ts";
import { accessLogPolicy } from "./access_log.ts";
import { Draft } from "./draft.ts";
import { gatewaySnapshot } from "./gateway.ts";
import { addInbound } from "./inbound.ts";
import { addCalls } from "./outbound.ts";
import { noteOverload, overloadPolicy } from "./overload.ts";
import { addLogs, addPipelines } from "./pipelines.ts";
import { Context } from "./source.ts";
import { addTracing } from "./tracing.ts";

export interface CompileInput {
  readonly documents: Documents;
  readonly site: Site;
}

export interface Compiled {
  /** Of each App with a sidecar and of the gateway, sorted by `namespace/name`. */
  readonly snapshots: readonly Snapshot[];
  /** What the documents cannot mean here; parts with a problem are left out of the Snapshots. */
  readonly problems: readonly Problem[];
}

/**
 * One Snapshot per workload. Pure: the same documents and site give the same bytes. A Snapshot
 * holds what its App declares and what the site says of it and its callees, nothing of other Apps.
 * A Pipeline is beside the Apps that name it; `outrigger pipeline` runs it alone.
 */
export function compile({ documents, site }: CompileInput): Compiled {
  const context = new Context(documents, site);
  const snapshots: Snapshot[] = [];
  for (const app of documents.apps) {
    const local = context.siteOf(workloadKey(app))?.local ?? null;
    if (!app.spec.sidecar.enabled || local === null) continue;
    snapshots.push(sidecarSnapshot(context, app, local));
  }
  const gateway = gatewaySnapshot(context);
  if (gateway !== null) snapshots.push(gateway);
  snapshots.sort((a, b) => (workloadKey(a.workload) < workloadKey(b.workload) ? -1 : 1));
  return { snapshots, problems: context.problems };
}

function sidecarSnapshot(context: Context, app: AppDocument, local: LocalSite): Snapshot {
  const draft = new Draft({ namespace: app.namespace, name: app.name });
  draft.notePart(["policy"], app.origin(["metadata", "name"]));
  draft.notePart(["bindings"], app.origin(["metadata", "name"]));
  addInbound(draft, context, app, local);
  addCalls(draft, context, app, local);
  addLogs(draft, context, app, local);
  addPipelines(draft, context, app, local);
  const { drainTimeout, workers } = app.spec.sidecar;
  if (workers > 1) draft.note(["bindings", "workers"], app, ["spec", "sidecar", "workers"]);
  noteOverload(draft, app);
  addTracing(draft, context, app);
  draft.note(["policy", "drainMs"], app, ["spec", "sidecar", "drainTimeout"]);
  return draft.finish({
    accessLog: accessLogPolicy(draft, context, app),
    drainMs: drainTimeout,
    overload: overloadPolicy(app),
    admin: local.admin,
    stateFolder: local.stateFolder,
    workers,
  });
}
