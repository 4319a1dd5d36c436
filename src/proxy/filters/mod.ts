import { deny } from "./deny.ts";
import { fault } from "./fault.ts";
import type { FilterComponent } from "./filter.ts";
import { rateLimit } from "./rate_limit.ts";
import { requestId } from "./request_id.ts";
import { setHost } from "./set_host.ts";
import { traceContext } from "./trace_context.ts";

/** Every filter there is. */
export const FILTERS: readonly FilterComponent[] = [
  requestId,
  traceContext,
  deny,
  rateLimit,
  fault,
  setHost,
];

export function findFilter(name: string): FilterComponent | undefined {
  return FILTERS.find((filter) => filter.name === name);
}
