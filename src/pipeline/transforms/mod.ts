import type { TransformDefinition } from "../component.ts";
import { enrich } from "./enrich.ts";
import { parse } from "./parse.ts";

/** What a step can be, by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has a config of its own
export const transforms: readonly TransformDefinition<any>[] = [parse, enrich];
