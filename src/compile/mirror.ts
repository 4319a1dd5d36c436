/** Mirrors: where copies of a route's requests go. */
import type { AnyDocument } from "../api/document.ts";
import type { MirrorSpec } from "../api/route_actions.ts";
import type { MirrorPolicy, RoutePolicy } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";
import { percentText } from "./words.ts";

/** The route with its mirror; `cluster` is the one that `to` means, null where there is none. */
export function withMirror(
  route: RoutePolicy,
  spec: MirrorSpec | undefined,
  cluster: string | null,
): RoutePolicy {
  if (spec === undefined || cluster === null) return route;
  const { percent, timeout, maxBody, maxInFlight, shadowHost } = spec;
  const mirror: MirrorPolicy = {
    cluster,
    ratio: percent,
    timeoutMs: timeout,
    maxBodyBytes: maxBody,
    maxInFlight,
    shadowHost,
  };
  return { ...route, mirror };
}

export function noteMirror(
  draft: Draft,
  at: readonly Segment[],
  document: AnyDocument,
  path: Path,
): void {
  draft.noteMembers(at, document, path, [
    ["mirror", "mirror"],
    ["mirror.cluster", "mirror.to"],
    ["mirror.ratio", "mirror.percent"],
    ["mirror.timeoutMs", "mirror.timeout"],
    ["mirror.maxBodyBytes", "mirror.maxBody"],
    ["mirror.maxInFlight", "mirror.maxInFlight"],
    ["mirror.shadowHost", "mirror.shadowHost"],
  ]);
}

export function mirrorText({ cluster, ratio }: MirrorPolicy): string {
  return `a copy of ${percentText(ratio)} to ${cluster}`;
}
