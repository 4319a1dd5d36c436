import type { AnyField } from "../schema/field.ts";
import { sinks } from "./sinks/mod.ts";
import { sources } from "./sources/mod.ts";
import { transforms } from "./transforms/mod.ts";

type Definitions = readonly { readonly name: string; readonly config: AnyField }[];

/** The configs of all components, as the reading of Pipeline files takes them. */
export const pipelineComponents = {
  sources: byName(sources),
  transforms: byName(transforms),
  sinks: byName(sinks),
};

function byName(definitions: Definitions): Readonly<Record<string, AnyField>> {
  return Object.fromEntries(definitions.map(({ name, config }) => [name, config]));
}
