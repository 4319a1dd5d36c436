import type { ProxyStats } from "../../api/stats.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** Numbers that are the same thing seen by several; of these the largest stands for all. */
const SEEN_BY_ALL: ReadonlySet<string> = new Set([
  "uptimeMs",
  "residentBytes",
  "cpuMs",
  "port",
  "weight",
  "boundsMs",
  "lastSeenMs",
  "notAfterMs",
  "minRttMs",
  "eventLoopLagMs",
  "maxBytes",
]);

/** Of what is in flight: gone with the worker that had it. */
const IN_FLIGHT: ReadonlySet<string> = new Set([
  "active",
  "connectionsActive",
  "requestsActive",
  "requestsPending",
]);

/**
 * What several workers counted, as one: numbers add up, rows meet by what they are about. An
 * endpoint is healthy where all find it so, and ejected where one has ejected it. Events are the
 * group's own.
 */
export function sumStats(all: readonly [ProxyStats, ...ProxyStats[]]): ProxyStats {
  return sumOf("", all as unknown as Json[]) as unknown as ProxyStats;
}

/** What stays of a dead worker's stats: rows that are still there, without what was in flight. */
export function remainsOf(dead: ProxyStats, alive: ProxyStats): ProxyStats {
  const within = <Row extends { readonly name: string }>(
    rows: readonly Row[],
    known: readonly { readonly name: string }[],
  ): Row[] => rows.filter((row) => known.some(({ name }) => name === row.name));
  const { overload: _overload, redis: _redis, filters: _filters, ...rest } = dead;
  const kept = {
    ...rest,
    listeners: within(dead.listeners, alive.listeners).map((listener) => {
      const now = alive.listeners.find(({ name }) => name === listener.name)!;
      return { ...listener, routes: within(listener.routes, now.routes) };
    }),
    // Endpoints come and go with names: what a dead worker knew of them is old.
    ...(dead.filters === undefined || alive.filters === undefined
      ? {}
      : { filters: within(dead.filters, alive.filters) }),
    clusters: within(dead.clusters, alive.clusters).map(({ adaptive: _adaptive, ...cluster }) => {
      return { ...cluster, endpoints: [] };
    }),
    events: [],
  };
  return withoutInFlight(kept as unknown as Json) as unknown as ProxyStats;
}

function sumOf(key: string, values: readonly Json[]): Json {
  const known = values.filter((value) => value !== null && value !== undefined);
  const [first] = known;
  if (first === undefined) return null;
  if (typeof first === "number") {
    const numbers = known as number[];
    if (SEEN_BY_ALL.has(key)) return Math.max(...numbers);
    return numbers.reduce((sum, value) => sum + value, 0);
  }
  if (typeof first === "boolean") {
    return key === "healthy" ? !known.includes(false) : known.includes(true);
  }
  if (typeof first === "string") return first;
  if (Array.isArray(first)) return sumOfArrays(key, known as readonly (readonly Json[])[]);
  return sumOfObjects(known as readonly JsonObject[]);
}

function sumOfObjects(objects: readonly JsonObject[]): JsonObject {
  const keys = new Set(objects.flatMap((object) => Object.keys(object)));
  return Object.fromEntries(
    [...keys].map((key) => [key, sumOf(key, objects.map((object) => object[key] ?? null))]),
  );
}

function sumOfArrays(key: string, arrays: readonly (readonly Json[])[]): Json {
  if (key === "events") return arrays[0]!;
  if (arrays.every((array) => array.every((value) => typeof value === "number"))) {
    const length = Math.max(...arrays.map((array) => array.length));
    return Array.from({ length }, (_, at) => sumOf(key, arrays.map((array) => array[at] ?? null)));
  }
  const rows = new Map<string, JsonObject[]>();
  for (const row of arrays.flat() as JsonObject[]) {
    const { name, address, port, listener, host, cluster } = row;
    const what = JSON.stringify([name, address, port, listener, host, cluster]);
    const same = rows.get(what);
    if (same === undefined) rows.set(what, [row]);
    else same.push(row);
  }
  return [...rows.values()].map(sumOfObjects);
}

function withoutInFlight(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutInFlight);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => {
      return [key, IN_FLIGHT.has(key) && typeof one === "number" ? 0 : withoutInFlight(one)];
    }),
  );
}
