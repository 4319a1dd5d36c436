import { because, type Tree } from "./sourced.ts";
import { hasSleepHook, type Target } from "./target.ts";

/** Longer than a caller may still know a pod that is going: DNS answers live for 5 s. */
const LEAVE_MS = 8_000;

/** Before a container is told to end: nothing where the cluster cannot wait by itself. */
export function leaveHook(target: Target): Tree {
  if (!hasSleepHook(target)) return undefined;
  const why = "callers may know this pod for so many seconds after it began to go";
  return { preStop: { sleep: { seconds: because(why, LEAVE_MS / 1000) } } };
}

/** How long a pod may take to end: to be forgotten, to end what is in flight, and a rest. */
export function graceSeconds(drainMs: number): number {
  return Math.ceil((LEAVE_MS + drainMs) / 1000) + 12;
}
