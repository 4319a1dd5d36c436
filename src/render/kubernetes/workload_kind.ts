import type { AppDocument } from "../../api/document.ts";

/** What runs an App's pods follows from what the App declares. */
export type WorkloadKind = "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob";

export function workloadKind({ spec }: AppDocument): WorkloadKind {
  if (spec.schedule !== undefined) return "CronJob";
  if (spec.job !== undefined) return "Job";
  if (spec.perNode) return "DaemonSet";
  const keeps = Object.values(spec.volumes).some(({ size }) => size !== undefined);
  return keeps ? "StatefulSet" : "Deployment";
}
