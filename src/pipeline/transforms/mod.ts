import type { TransformDefinition } from "../component.ts";
import { aggregate } from "./aggregate.ts";
import { batch } from "./batch.ts";
import { classify } from "./classify.ts";
import { dedupe } from "./dedupe.ts";
import { enrich } from "./enrich.ts";
import { filter } from "./filter.ts";
import { multiline } from "./multiline.ts";
import { parse } from "./parse.ts";
import { rateLimit } from "./rate_limit.ts";
import { redact } from "./redact.ts";
import { remove } from "./remove.ts";
import { rename } from "./rename.ts";
import { route } from "./route.ts";
import { sample } from "./sample.ts";
import { set } from "./set.ts";
import { throttle } from "./throttle.ts";
import { typescript } from "./typescript.ts";

/** What a step can be, by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has a config of its own
export const transforms: readonly TransformDefinition<any>[] = [
  parse,
  multiline,
  filter,
  rename,
  set,
  remove,
  enrich,
  redact,
  classify,
  rateLimit,
  dedupe,
  sample,
  throttle,
  aggregate,
  batch,
  route,
  typescript,
];
