import type { Snapshot } from "../api/snapshot.ts";
import type { World } from "../base/world.ts";
import type { DataPlane } from "./sidecar.ts";

/** More threads than that serve nobody better. */
export const MAX_WORKERS = 64;

/**
 * The proxy in this thread, or in as many of its own. Only what is used is loaded.
 *
 * @param workers from the command line; null leaves it to the Snapshot
 */
export async function createDataPlane(
  world: World,
  workers: number | null,
  snapshot: Snapshot,
  log: (lines: string) => void,
): Promise<DataPlane> {
  const count = workers ?? snapshot.bindings.workers ?? 1;
  if (count > 1) {
    const { ProxyGroup } = await import("../proxy/group/proxy_group.ts");
    return new ProxyGroup(world, { workers: count, log });
  }
  const { Proxy } = await import("../proxy/proxy.ts");
  return new Proxy(world, { log, collectsWhenQuiet: true });
}
