import type { AppDocument, Documents } from "../api/document.ts";
import type { Site } from "../api/site.ts";
import { workloadKey } from "../api/site.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { ownCommand } from "../base/own_command.ts";
import type { World } from "../base/world.ts";
import { localDependencies, resolveEnv } from "../compile/env.ts";
import { HttpClient } from "../http/client.ts";
import { LOCAL_HOST } from "./allot_ports.ts";
import { appFolder, GATEWAY, listenPort } from "./build_site.ts";
import { SET_VARIABLE } from "./leftovers.ts";
import { probeHttp, probeTcp } from "./probe.ts";
import type { StateFolder } from "./state_folder.ts";
import type { ProcessPlan } from "./supervised_process.ts";

/** Between SIGTERM and SIGKILL for an app. */
const APP_STOP_WAIT_MS = 10_000;
/** Added to the policy's drain for a sidecar: its pipelines stop after the drain. */
const SIDECAR_STOP_SLACK_MS = 7_000;

/** A process for each App with `run`, for each of their sidecars, and for the gateway. */
export function planProcesses(
  world: World,
  documents: Documents,
  site: Site,
  snapshots: readonly Snapshot[],
  state: StateFolder,
): readonly ProcessPlan[] {
  const label = labels(documents);
  const client = new HttpClient(world);
  const plans: ProcessPlan[] = [];
  const isApp = new Set(documents.apps.map(workloadKey));
  for (const snapshot of snapshots) {
    const key = workloadKey(snapshot.workload);
    const gateway = !isApp.has(key);
    const folderKey = gateway ? GATEWAY : key;
    const { readOnly } = snapshot.bindings.admin;
    const { workers } = snapshot.bindings;
    plans.push({
      id: gateway ? GATEWAY : `${key}/sidecar`,
      label: gateway ? GATEWAY : `${label(key)}~`,
      role: gateway ? "gateway" : "sidecar",
      workload: key,
      command: [
        ...ownCommand(world),
        "sidecar",
        ...["--snapshot", state.snapshot(folderKey), "--state", state.workload(folderKey)],
        // In the command too, so that another number starts it anew.
        ...(workers === undefined ? [] : ["--workers", String(workers)]),
      ],
      folder: state.root,
      env: environment(world, state),
      port: Object.values(snapshot.bindings.listeners)[0]?.port ?? null,
      probe: () => probeHttp(client, readOnly, "/ready"),
      stopWaitMs: snapshot.policy.drainMs + SIDECAR_STOP_SLACK_MS,
    });
  }
  for (const app of documents.apps) {
    const plan = planApp(world, app, site, state, label(workloadKey(app)));
    if (plan !== null) plans.push(plan);
  }
  return plans;
}

function planApp(
  world: World,
  app: AppDocument,
  site: Site,
  state: StateFolder,
  label: string,
): ProcessPlan | null {
  if (app.spec.run === undefined) return null;
  const port = listenPort(app);
  const own = resolveEnv(app, site, localDependencies(app));
  return {
    id: workloadKey(app),
    label,
    role: "app",
    workload: workloadKey(app),
    command: own.command,
    folder: appFolder(app, world.processes.self.folder),
    env: { ...environment(world, state), ...own.env },
    port,
    probe: async () => port === null || probeTcp(world, { host: LOCAL_HOST, port }),
    stopWaitMs: APP_STOP_WAIT_MS,
  };
}

/** What the user's shell has, and the mark by which what was left behind is found. */
function environment(world: World, state: StateFolder): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(world.processes.self.env)) {
    if (value !== undefined) env[name] = value;
  }
  return { ...env, [SET_VARIABLE]: state.root };
}

/** An App's name alone, where no other namespace has the same. */
function labels(documents: Documents): (key: string) => string {
  const counts = new Map<string, number>();
  for (const { name } of documents.apps) counts.set(name, (counts.get(name) ?? 0) + 1);
  return (key) => {
    const name = key.slice(key.indexOf("/") + 1);
    return counts.get(name) === 1 ? name : key;
  };
}
