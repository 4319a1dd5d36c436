import type { FilterRecord, PolicyPlace } from "../../api/request_record.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { findOrigin } from "../../compile/origins.ts";
import { fromPointer, type Segment, toPointer } from "../../compile/pointer.ts";
import type { FailureCode } from "../errors.ts";

/** What happened, as far as it tells which part of the policy decided. */
export interface Happening {
  readonly listener: string;
  readonly route: string | null;
  readonly cluster: string | null;
  readonly cause: string;
  readonly filter: FilterRecord | null;
  /** Of a rule within the filter. */
  readonly rule: number | null;
  readonly retriesExhausted: boolean;
  readonly isFallback: boolean;
}

/** Below the cluster's policy; an empty text is the cluster itself. */
const OF_CLUSTER: Readonly<Partial<Record<FailureCode, string>>> = {
  "breaker-open": "breaker",
  "overflow-requests": "limits/maxRequests",
  "overflow-concurrency": "limits/adaptive",
  "overflow-pending": "limits/maxPendingRequests",
  "connect-timeout": "connectTimeoutMs",
  "tls-failure": "tls",
  "malformed-response": "responseValidation",
  "connect-failure": "",
  reset: "",
};

/** Below the route's policy. */
const OF_ROUTE: Readonly<Partial<Record<FailureCode, string>>> = {
  timeout: "timeoutMs",
  "idle-timeout": "idleTimeoutMs",
  "per-try-timeout": "retry/perTryTimeoutMs",
};

/** Which parts of the policy had a say, the one that decided first. */
export function policyPlaces(snapshot: Snapshot, happening: Happening): PolicyPlace[] {
  return pointersOf(snapshot, happening).map((pointer) => placeAt(snapshot, pointer));
}

function pointersOf(snapshot: Snapshot, happening: Happening): string[] {
  const { listener, cluster, cause, filter, rule } = happening;
  const code = cause as FailureCode;
  const pointers: string[] = [];
  const add = (...segments: Segment[]): void => void pointers.push(toPointer(segments));
  const below = (path: string): string[] => (path === "" ? [] : path.split("/"));
  const route = routeAt(snapshot, happening);
  if (cause === "no-route") add("policy", "listeners", listener, "routes");
  else if (cause === "overload") add("policy", "overload");
  else if (cause === "no-endpoint" && cluster !== null) add("bindings", "clusters", cluster);
  if (filter !== null && route !== null && !filter.isRuntimeFault && filter.index >= 0) {
    const whole: Segment[] = [...route, "filters", filter.index];
    const one: Segment[] = [...whole, "config", "rules", rule ?? 0];
    // A line of its own says more than the list that the rule stands in.
    add(...(rule !== null && Object.hasOwn(snapshot.origins, toPointer(one)) ? one : whole));
  }
  const ofCluster = OF_CLUSTER[code];
  if (ofCluster !== undefined && cluster !== null) {
    add("policy", "clusters", cluster, ...below(ofCluster));
  }
  const ofRoute = OF_ROUTE[code];
  if (ofRoute !== undefined && route !== null) add(...route, ...below(ofRoute));
  if (route === null) return pointers;
  if (cause === "via_upstream") add(...route);
  if (happening.retriesExhausted) add(...route, "retry", "attempts");
  if (happening.isFallback) add(...route, "fallback");
  return pointers;
}

function routeAt(snapshot: Snapshot, { listener, route }: Happening): Segment[] | null {
  const routes = snapshot.policy.listeners[listener]?.routes ?? [];
  const index = routes.findIndex(({ name }) => name === route);
  return index < 0 ? null : ["policy", "listeners", listener, "routes", index];
}

function placeAt(snapshot: Snapshot, pointer: string): PolicyPlace {
  let value: unknown = snapshot;
  for (const segment of fromPointer(pointer)) {
    const isInside = typeof value === "object" && value !== null && Object.hasOwn(value, segment);
    value = isInside ? (value as Record<string, unknown>)[segment] : null;
  }
  const found = findOrigin(snapshot, pointer);
  const origin = found?.origin ?? null;
  return { pointer, value: plain(value), origin, isWritten: found?.pointer === pointer };
}

/** A whole part would be long: its plain members tell what it is. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return Array.isArray(value) ? `${value.length} entries` : (value ?? null);
  }
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => typeof one !== "object" || one === null),
  );
}
