import type { AppDocument } from "./document.ts";
import { workloadKey } from "./site.ts";

const INDEXES = new WeakMap<readonly AppDocument[], ReadonlyMap<string, AppDocument>>();

/**
 * An App of a set by `namespace/name`: in one step, however large the set is.
 *
 * @param apps never changed afterwards: the index of a list is made once
 */
export function findApp(apps: readonly AppDocument[], key: string): AppDocument | undefined {
  let index = INDEXES.get(apps);
  if (index === undefined) {
    index = new Map(apps.map((app) => [workloadKey(app), app]));
    INDEXES.set(apps, index);
  }
  return index.get(key);
}
