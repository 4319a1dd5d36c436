import { Field, type Rule } from "./field_core.ts";
import { type Node, valueOf } from "./node.ts";

/** Any value, as it is written: what somebody else's definition is for. */
export function anything(): Field<unknown> {
  const rule: Rule<unknown> = {
    kinds: ["text", "number", "boolean", "null", "list", "map"],
    expected: "any value",
    parts: () => [],
    jsonSchema: () => ({}),
    read: (node: Node) => valueOf(node),
  };
  return new Field(rule);
}
