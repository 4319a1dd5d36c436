/** What runs an App's pods. */
import type { AppDocument } from "../../api/document.ts";
import { podsService } from "./cluster_site.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { podTemplate } from "./pod.ts";
import { bytesQuantity } from "./quantities.ts";
import { labelsOf, type Rendering, selectorOf } from "./rendering.ts";
import { because, from, type Tree } from "./sourced.ts";
import { type WorkloadKind, workloadKind } from "./workload_kind.ts";

export function workload(rendering: Rendering, app: AppDocument): KubeObject {
  const kind = workloadKind(app);
  const group = kind === "Job" || kind === "CronJob" ? "batch/v1" : "apps/v1";
  const metadata = { namespace: app.namespace, name: app.name, labels: labelsOf(app) };
  const spec = SPECS[kind](rendering, app);
  return kubeObject([group, kind], metadata, app.origin(["metadata", "name"]), { spec });
}

const SPECS: Readonly<Record<WorkloadKind, (rendering: Rendering, app: AppDocument) => Tree>> = {
  Deployment: (rendering, app) => ({
    replicas: replicasOf(app),
    revisionHistoryLimit: 5,
    strategy: {
      type: "RollingUpdate",
      rollingUpdate: {
        maxUnavailable: because("no pod goes before its successor is ready", 0),
        maxSurge: "25%",
      },
    },
    selector: { matchLabels: selectorOf(app.name) },
    template: podTemplate(rendering, app),
  }),
  StatefulSet: (rendering, app) => ({
    replicas: replicasOf(app),
    serviceName: podsService(app.name),
    podManagementPolicy: "OrderedReady",
    selector: { matchLabels: selectorOf(app.name) },
    template: podTemplate(rendering, app),
    volumeClaimTemplates: claims(rendering, app),
  }),
  DaemonSet: (rendering, app) => ({
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
    selector: { matchLabels: selectorOf(app.name) },
    template: podTemplate(rendering, app),
  }),
  Job: jobSpec,
  CronJob: (rendering, app) => {
    const { cron, timeZone, overlap } = app.spec.schedule!;
    const at = ["spec", "schedule"];
    return {
      schedule: from(app, [...at, "cron"], cron),
      timeZone: from(app, [...at, "timeZone"], timeZone),
      concurrencyPolicy: from(app, [...at, "overlap"], OVERLAP[overlap]),
      startingDeadlineSeconds: because("a start that was missed by less is made up for", 300),
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 3,
      jobTemplate: { metadata: { labels: labelsOf(app) }, spec: jobSpec(rendering, app) },
    };
  },
};

const OVERLAP = { forbid: "Forbid", allow: "Allow", replace: "Replace" } as const;

function jobSpec(rendering: Rendering, app: AppDocument): Tree {
  const { job } = app.spec;
  const at = ["spec", "job"];
  return {
    backoffLimit: from(app, [...at, "retries"], job?.retries ?? 3, "three times tried again"),
    activeDeadlineSeconds:
      job?.timeout === undefined
        ? undefined
        : from(app, [...at, "timeout"], Math.ceil(job.timeout / 1000)),
    ttlSecondsAfterFinished:
      job === undefined ? undefined : from(app, [...at, "keepFor"], Math.ceil(job.keepFor / 1000)),
    template: podTemplate(rendering, app),
  };
}

/** Left out where load decides: else each apply would undo what the autoscaler did. */
function replicasOf(app: AppDocument): Tree {
  const { replicas } = app.spec;
  if (replicas === undefined) return because("one: nobody says how many", 1);
  if (replicas.max > replicas.min) return undefined;
  return from(app, ["spec", "replicas"], replicas.min);
}

function claims({ target }: Rendering, app: AppDocument): Tree {
  return Object.entries(app.spec.volumes).flatMap(([name, { size, class: storageClass }]) => {
    if (size === undefined) return [];
    const at = ["spec", "volumes", name];
    return [
      from(app, at, {
        metadata: { name },
        spec: {
          accessModes: ["ReadWriteOnce"],
          storageClassName: storageClass ?? target.storageClass ?? undefined,
          resources: { requests: { storage: from(app, [...at, "size"], bytesQuantity(size)) } },
        },
      }),
    ];
  });
}
