import type { Snapshot } from "../api/snapshot.ts";
import { SocketRoom } from "../base/socket_room.ts";
import type { World } from "../base/world.ts";
import { availableBytes } from "./overload.ts";

export const RAISE_DESCRIPTORS =
  "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of a container)";

/** What a sidecar under load takes, measured: docs/performance.md, memory. */
const MIN_MEMORY_BYTES = 96 * 2 ** 20;

/**
 * What the system gives this process that may not be enough for a Snapshot, in words that say what
 * to do; empty where it is enough. Listeners' bounds are not lowered: whoever reaches the limit of
 * the process first is turned away.
 */
export function shortLimits(world: World, { policy }: Snapshot): string[] {
  const texts: string[] = [];
  const callers = Object.values(policy.listeners)
    .map(({ maxConnections }) => maxConnections)
    .reduce((sum, count) => sum + count, 0);
  // Of the whole process: a worker's own room is a part of it.
  const mayAccept = new SocketRoom(world.net.room.limit).maxForCallers;
  if (mayAccept < callers) {
    const has = `${world.net.room.limit} descriptors let about ${mayAccept} callers in`;
    texts.push(`${has}, this Snapshot's listeners ${callers} (maxConnections); ${RAISE_DESCRIPTORS}`);
  }
  const bytes = availableBytes(world.files);
  if (bytes < MIN_MEMORY_BYTES) {
    const mebibytes = (count: number): string => `${Math.floor(count / 2 ** 20)} MiB`;
    const has = `there are ${mebibytes(bytes)} of memory`;
    const needs = `a sidecar under load takes up to ${mebibytes(MIN_MEMORY_BYTES)}`;
    texts.push(`${has}, and ${needs}; raise the container's or the unit's memory limit`);
  }
  return texts;
}
