import type { AnyField } from "../schema/field.ts";
import { text } from "../schema/field.ts";
import { MAX_EXPRESSION_LENGTH, expressionProblem } from "./expression.ts";
import { sinks } from "./sinks/mod.ts";
import { sources } from "./sources/mod.ts";
import { transforms } from "./transforms/mod.ts";

type Definitions = readonly { readonly name: string; readonly config: AnyField }[];

/** The configs of all components, as the reading of Pipeline files takes them. */
export const pipelineComponents = {
  sources: byName(sources),
  transforms: byName(transforms),
  sinks: byName(sinks),
  condition: text({
    maxLength: MAX_EXPRESSION_LENGTH,
    expected: 'a condition such as event.level == "error"',
    check: (written) => expressionProblem(written, "condition"),
  }).example('event.level == "error"'),
};

function byName(definitions: Definitions): Readonly<Record<string, AnyField>> {
  return Object.fromEntries(definitions.map(({ name, config }) => [name, config]));
}
