import type { AnyField, JsonSchema } from "./field_core.ts";

/** The schema of a field with its description, default and examples (draft 2020-12). */
export function fieldSchema(field: AnyField): JsonSchema {
  const { about, defaultWritten, examples, later, onlyOn } = field.meta;
  const description = [
    later === null ? "" : `Not there yet: ${later.reason}.`,
    onlyOn === null ? "" : `Has an effect on ${onlyOn} only.`,
    about,
  ]
    .filter((part) => part !== "")
    .join(" ");
  const notes: JsonSchema = {
    ...(description === "" ? {} : { description }),
    ...(defaultWritten === undefined ? {} : { default: defaultWritten }),
    ...(examples.length === 0 ? {} : { examples }),
  };
  // A field of a later release is known to editors by its description, and refused.
  if (later !== null) return { ...notes, not: {} };
  return { ...withoutUndefined(field.rule.jsonSchema()), ...notes };
}

function withoutUndefined(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
}

/** A schema that stands alone. */
export function toJsonSchema(
  field: AnyField,
  head: { readonly id?: string; readonly title?: string } = {},
): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...(head.id === undefined ? {} : { $id: head.id }),
    ...(head.title === undefined ? {} : { title: head.title }),
    ...fieldSchema(field),
  };
}
