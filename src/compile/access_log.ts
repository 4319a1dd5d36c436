/** The access log: as the App says, else as the Mesh does, else none. */
import type { AnyDocument, AppDocument } from "../api/document.ts";
import type { AccessLogPolicy } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Context } from "./source.ts";
import { durationText, percentText } from "./words.ts";

export const NO_ACCESS_LOG: AccessLogPolicy = { format: "off" };

/** Adds where it came from, too. @param app null for the gateway */
export function accessLogPolicy(
  draft: Draft,
  { documents }: Context,
  app: AppDocument | null,
): AccessLogPolicy {
  const own = app?.spec.sidecar.accessLog;
  if (app !== null && own !== undefined) {
    noteParts(draft, app, ["spec", "sidecar", "accessLog"]);
    return own;
  }
  const mesh = documents.meshes.find(({ spec }) => spec.accessLog !== undefined);
  if (mesh?.spec.accessLog === undefined) return NO_ACCESS_LOG;
  noteParts(draft, mesh, ["spec", "accessLog"]);
  return mesh.spec.accessLog;
}

function noteParts(draft: Draft, document: AnyDocument, path: Path): void {
  // It may be one word.
  draft.note(["policy", "accessLog", "format"], document, path);
  draft.noteMembers(["policy", "accessLog"], document, path, [
    ["format", "format"],
    ["only.errors", "errors"],
    ["only.slowerThanMs", "slowerThan"],
    ["only.sampleRatio", "sample"],
  ]);
}

export function accessLogText({ format, only }: AccessLogPolicy): string {
  if (only === undefined) return format;
  const conditions = [
    ...(only.errors ? ["errors"] : []),
    ...(only.slowerThanMs === undefined ? [] : [`from ${durationText(only.slowerThanMs)} on`]),
    ...(only.sampleRatio === undefined ? [] : [`${percentText(only.sampleRatio)} of all`]),
  ];
  return `${format}, only ${conditions.join(", ")}`;
}
