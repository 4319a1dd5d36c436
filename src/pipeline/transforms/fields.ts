/** Fields of configs that several steps have. */
import { isAbsolute, join } from "node:path";
import type { Field } from "../../schema/field.ts";
import { text } from "../../schema/field.ts";
import type { FieldPath } from "../expression/path.ts";
import { parseFieldPath } from "../expression/path.ts";

/** A place in an event: `http.status`, `items[0]`, `["odd name"]`. */
export function fieldPath(): Field<FieldPath> {
  return text({
    maxLength: 512,
    expected: 'the place of a field such as "http.status"',
    check: (written) =>
      parseFieldPath(written) === null ? 'names with dots between, others as ["odd name"]' : null,
  }).as((written) => parseFieldPath(written)!);
}

/** A value as a key: the same for the same value, and for no other one. */
export function keyText(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined ? "\u0001" : `\u0001${JSON.stringify(value)}`;
}

/** A file that a config names: a relative one is below the Pipeline file's folder. */
export function inFolder(folder: string, written: string): string {
  return isAbsolute(written) ? written : join(folder, written);
}
