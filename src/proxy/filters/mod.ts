import { cors } from "./cors.ts";
import { deny } from "./deny.ts";
import { fault } from "./fault.ts";
import type { FilterComponent } from "./filter.ts";
import { forwarded } from "./forwarded.ts";
import { forwardedTls } from "./forwarded_tls.ts";
import { headers } from "./headers.ts";
import { rateLimit } from "./rate_limit.ts";
import { redirect } from "./redirect.ts";
import { requestId } from "./request_id.ts";
import { respond } from "./respond.ts";
import { rewrite } from "./rewrite.ts";
import { setHost } from "./set_host.ts";
import { traceContext } from "./trace_context.ts";
import { typescript } from "./typescript.ts";

/** Every filter there is. */
export const FILTERS: readonly FilterComponent[] = [
  requestId,
  traceContext,
  forwarded,
  forwardedTls,
  deny,
  rateLimit,
  cors,
  redirect,
  respond,
  headers,
  rewrite,
  fault,
  setHost,
  typescript,
];

export function findFilter(name: string): FilterComponent | undefined {
  return FILTERS.find((filter) => filter.name === name);
}
