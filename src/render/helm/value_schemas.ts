/** What values may be: taken from the fields of an App wherever it has such a field. */
import { specFields } from "../../api/documents.ts";
import { NO_COMPONENTS } from "../../api/pipeline.ts";
import { fieldSchema, type JsonSchema } from "../../schema/field.ts";

const APP = fieldSchema(specFields(NO_COMPONENTS).App);

/** @throws Error where no field of an App is there: then this list is older than the fields */
function field(...path: readonly (string | number)[]): JsonSchema {
  let at: unknown = APP;
  for (const step of path) at = (at as Record<string | number, unknown> | undefined)?.[step];
  if (typeof at !== "object" || at === null) throw new Error(`no field at ${path.join(".")}`);
  return at as JsonSchema;
}

const spec = (...path: readonly (string | number)[]): JsonSchema => field("properties", ...path);
const bounds = spec("replicas", "anyOf", 1, "properties");

export const REPLICAS = spec("replicas", "anyOf", 0);
export const MIN_REPLICAS: JsonSchema = { ...(bounds.min as JsonSchema), minimum: 1 };
export const MAX_REPLICAS = bounds.max as JsonSchema;
/** As the field has it, 1% to 1000%, in Kubernetes' way to write it. */
export const CPU_PERCENT: JsonSchema = { type: "integer", minimum: 1, maximum: 1000 };
export const CRON = spec("schedule", "properties", "cron");
export const HOST = spec("ingress", "items", "properties", "host");
export const STORAGE_CLASS: JsonSchema = {
  type: "string",
  maxLength: 253,
  pattern: "^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)?$",
};
export const NAME: JsonSchema = { ...STORAGE_CLASS, minLength: 1 };
export const SWITCH: JsonSchema = { type: "boolean" };

/** Numbers are texts in an environment: 1e6 must not become another text on its way. */
const [VARIABLE = ""] = Object.keys(spec("env", "patternProperties"));
export const ENV: JsonSchema = {
  type: "object",
  maxProperties: 1000,
  patternProperties: { [VARIABLE]: { type: ["string", "null"] } },
  additionalProperties: false,
};

/** What the field `image` may be, before its tag. */
export const REPOSITORY: JsonSchema = {
  type: "string",
  pattern: "^[a-z0-9][a-zA-Z0-9._:/-]*$",
  maxLength: spec("image").maxLength,
};
export const TAG: JsonSchema = {
  type: "string",
  pattern: "^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$",
};
export const DIGEST: JsonSchema = { type: "string", pattern: "^(?:sha256:[0-9a-f]{64})?$" };

/** Kubernetes' quantities, of the kinds that are of use here. */
const MEMORY: JsonSchema = { type: "string", pattern: "^[0-9]+(?:\\.[0-9]+)?(?:[kMGT]|[KMGT]i)?$" };
const { description: _, examples: __, ...CPU } = spec("resources", "properties", "cpu");

export const SIZE = MEMORY;

const amounts: JsonSchema = {
  type: "object",
  properties: { cpu: CPU, memory: MEMORY, "ephemeral-storage": MEMORY },
  additionalProperties: { type: ["string", "integer"] },
};

export const RESOURCES: JsonSchema = {
  type: "object",
  properties: { requests: amounts, limits: amounts },
  additionalProperties: false,
};

export const ANNOTATIONS: JsonSchema = { type: "object", additionalProperties: { type: "string" } };

export const PULL_SECRETS: JsonSchema = {
  type: "array",
  items: {
    type: "object",
    properties: { name: { type: "string" } },
    required: ["name"],
    additionalProperties: false,
  },
};
