import type { Node } from "../schema/node.ts";

/**
 * The one place where versions of the file format meet. A file of an older version is converted
 * step by step to the newest, before anything else looks at it.
 */
export interface FileVersion {
  readonly apiVersion: string;
  /**
   * Turns a document of this version into the next one's; kinds and places of what it moves stay,
   * so that errors still name the line that the user wrote. Null for the newest.
   */
  readonly convert: ((document: Node) => Node) | null;
}

/** Oldest first. A new version is added at the end, and its predecessor gets its `convert`. */
export const FILE_VERSIONS: readonly FileVersion[] = [
  { apiVersion: "outrigger.dev/v1alpha1", convert: null },
];

/** What new files say. */
export const API_VERSION = FILE_VERSIONS.at(-1)!.apiVersion;

/** The document in the newest version, or null where the version is unknown. */
export function toNewest(
  document: Node,
  apiVersion: string,
  versions: readonly FileVersion[] = FILE_VERSIONS,
): Node | null {
  const index = versions.findIndex((version) => version.apiVersion === apiVersion);
  if (index < 0) return null;
  let converted = document;
  for (const version of versions.slice(index)) {
    if (version.convert !== null) converted = version.convert(converted);
  }
  return converted;
}
