/** Reads objects back that were rendered once. */
import { parseAllDocuments } from "yaml";
import type { Source } from "../../api/document.ts";
import { Failure } from "../../base/failure.ts";
import { MANAGED_LABEL } from "./names.ts";
import type { KubeObject } from "./object.ts";

/**
 * Only what is ours: a folder may hold others' objects too.
 *
 * @throws Failure `refused` where a file is no YAML
 */
export function readRendered(sources: readonly Source[]): readonly KubeObject["body"][] {
  return sources.flatMap(({ file, text }) =>
    parseAllDocuments(text).flatMap((document) => {
      const [error] = document.errors;
      if (error !== undefined) throw new Failure("refused", `${file}: ${error.message}`);
      const value: unknown = document.toJS();
      return isOurs(value) ? [value] : [];
    }),
  );
}

function isOurs(value: unknown): value is KubeObject["body"] {
  const { kind, metadata } = (value ?? {}) as Partial<Record<string, Record<string, unknown>>>;
  const labels = metadata?.["labels"] as Record<string, unknown> | undefined;
  const isNamed = typeof kind === "string" && typeof metadata?.["name"] === "string";
  return isNamed && labels?.[MANAGED_LABEL] === "outrigger";
}
