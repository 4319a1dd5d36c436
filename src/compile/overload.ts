/** Overload shedding: when the sidecar itself has too much to do. */
import type { AppDocument } from "../api/document.ts";
import { memoryBound } from "../api/sidecar_spec.ts";
import type { OverloadPolicy } from "../api/snapshot.ts";
import type { Draft } from "./draft.ts";
import { durationText, percentText } from "./words.ts";

/** Undefined where the file does not ask for it. */
export function overloadPolicy({ spec }: AppDocument): OverloadPolicy | undefined {
  const { overload } = spec.sidecar;
  if (overload === undefined) return undefined;
  const { ready, live } = spec.health ?? {};
  const paths = [ready, live].flatMap((path) => path?.split("?")[0] ?? []);
  return {
    memory: memoryBound(overload.memory),
    eventLoopLagMs: overload.eventLoopLag,
    keepPaths: [...new Set(paths)],
  };
}

export function noteOverload(draft: Draft, app: AppDocument): void {
  const at = ["policy", "overload"];
  const spec = ["spec"];
  draft.noteMembers(at, app, [...spec, "sidecar", "overload"], [
    ["memory", "memory"],
    ["memory.ratio", "memory"],
    ["memory.bytes", "memory"],
    ["eventLoopLagMs", "eventLoopLag"],
  ]);
  draft.note(at, app, [...spec, "sidecar", "overload"]);
  draft.note([...at, "keepPaths"], app, [...spec, "health"]);
}

export function overloadText({ memory, eventLoopLagMs, keepPaths }: OverloadPolicy): string {
  const bound =
    "ratio" in memory ? `${percentText(memory.ratio)} of the memory` : `${memory.bytes} bytes`;
  const kept = keepPaths.length === 0 ? "" : `, but not ${keepPaths.join(", ")}`;
  return `refuses requests above ${bound} or ${durationText(eventLoopLagMs)} of lag${kept}`;
}
