/**
 * The field builder: from one definition come the type (`Infer`), the validator (`parse`), the JSON
 * Schema (`toJsonSchema`), the reference page (`referenceRows`) and the examples.
 */
export { Field, INVALID, fieldName, parse } from "./field_core.ts";
export type {
  AnyField,
  CheckReport,
  Infer,
  Invalid,
  Json,
  JsonSchema,
  Note,
  Parsed,
  Part,
  Reading,
  Rule,
} from "./field_core.ts";
export {
  boolean,
  choice,
  cpu,
  duration,
  integer,
  number,
  percent,
  port,
  size,
  text,
} from "./scalars.ts";
export { list, map, object, oneOf, oneOf as union } from "./collections.ts";
export type { ObjectOf } from "./collections.ts";
export { fieldSchema, toJsonSchema } from "./json_schema.ts";
export { referenceRows } from "./reference.ts";
export type { ReferenceRow } from "./reference.ts";
