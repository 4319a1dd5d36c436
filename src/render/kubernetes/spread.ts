import { selectorOf } from "./rendering.ts";
import type { Tree } from "./sourced.ts";

/** Pods of one name over zones and over nodes. */
export function spreadOf(name: string, whenUnsatisfiable: "ScheduleAnyway" | "DoNotSchedule"): Tree {
  return ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable,
    labelSelector: { matchLabels: selectorOf(name) },
  }));
}
