import type { Watched } from "../typescript/filter_cells.ts";

/** Which worker of a group a proxy is. */
export interface GroupMember {
  /** From 0. */
  readonly worker: number;
  readonly workers: number;
  /** To add to this worker's clock, so that all of the group tell the same time. */
  readonly clockOffsetMs: number;
  /** Tells the other workers that this one waits for a connection of a cluster. */
  askForRoom(cluster: string): void;
  /** The group watches over the worker anyway; with this it can say in which filter it is stuck. */
  watchFilters(watched: Watched | null): void;
}
