import type { JsonSchema } from "../schema/field.ts";
import { fieldSchema } from "../schema/field.ts";
import type { Kind } from "./document.ts";
import { KINDS } from "./document.ts";
import { envelope, specFields } from "./documents.ts";
import type { PipelineComponents } from "./pipeline.ts";
import { NO_COMPONENTS } from "./pipeline.ts";
import { FILE_VERSIONS } from "./versions.ts";

export { referencePages } from "./reference_pages.ts";

/**
 * The one JSON Schema (draft 2020-12) of a document of any kind, for completion in editors and for
 * other validators. It knows what a field may hold; what only the loader knows (bounds of texts
 * with units, rules across fields and documents) it leaves open: what it refuses, the loader does
 * too.
 */
export function jsonSchema(components: PipelineComponents = NO_COMPONENTS): JsonSchema {
  const specs = specFields(components);
  const common = fieldSchema(envelope("App", specs.App)).properties as Record<string, JsonSchema>;
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://outrigger.dev/schema/v1alpha1.json",
    title: "Outrigger",
    description: "An App, a Mesh or a Pipeline.",
    type: "object",
    properties: {
      apiVersion: {
        description: "The version of this file's format.",
        enum: FILE_VERSIONS.map((version) => version.apiVersion),
      },
      kind: {
        description: "App: one app. Mesh: what Apps share. Pipeline: events from sources to sinks.",
        enum: [...KINDS],
      },
      metadata: common.metadata,
      spec: { type: "object" },
    },
    required: ["apiVersion", "kind", "metadata", "spec"],
    additionalProperties: false,
    allOf: KINDS.map((kind: Kind) => ({
      if: { properties: { kind: { const: kind } }, required: ["kind"] },
      then: { properties: { spec: fieldSchema(specs[kind]) } },
    })),
  };
}
