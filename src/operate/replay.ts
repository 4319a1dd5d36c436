/**
 * What a change of files would change for captured requests. Each goes through two proxies in
 * simulated worlds: one has the Snapshot that it met, the other the new one.
 */
import type { CapturedHeaders, CapturedRequest, CaptureHead } from "../api/capture.ts";
import type { RoutePolicy, Snapshot, WorkloadRef } from "../api/snapshot.ts";
import { reasonOf } from "../proxy/telemetry/flag_reasons.ts";
import type { ReadCapture } from "./read_capture.ts";
import { isCalleesFailure, LEFT_OUT, ReplayProxy } from "./replay_proxy.ts";

export interface ReplayReport {
  readonly workload: WorkloadRef;
  /** Of the Snapshot that the requests were replayed against. */
  readonly version: string;
  readonly requests: number;
  readonly same: number;
  readonly changed: number;
  /** Requests that change in the same way, together; the most frequent first. */
  readonly changes: readonly ChangedRequests[];
  /** Requests that cannot be compared, by the reason. */
  readonly excluded: Readonly<Record<string, number>>;
  /** Sampled, but not in the file. */
  readonly lost: number;
  /** What a replay does not see of these files. */
  readonly notes: readonly string[];
}

export interface ChangedRequests {
  readonly count: number;
  readonly listener: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  /** Of the first one, in the capture's file. */
  readonly line: number;
  readonly changes: readonly Change[];
}

export interface Change {
  /**
   * `route`, `cluster` (with weights), `verdict` (passed on, or answered by the sidecar), `sent path`,
   * `sent host`, `sent header NAME`, `answer header NAME`
   */
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

/** Told apart; further ones count with the others of their listener. */
const MAX_GROUPS = 10_000;
const NONE = "-";

/** @throws Failure "refused" where no proxy would take one of the Snapshots. */
export async function replay(capture: ReadCapture, next: Snapshot): Promise<ReplayReport> {
  const now = new ReplayProxy(next, capture.head);
  const olds = new Map<string, ReplayProxy>();
  const tally = new Tally();
  try {
    for (const { line, request } of capture.requests) {
      const met = capture.snapshots.get(request.version);
      if (met === undefined) {
        tally.exclude("the capture does not hold the Snapshot that it met");
        continue;
      }
      let old = olds.get(met.version);
      if (old === undefined) {
        old = new ReplayProxy(met, capture.head);
        olds.set(met.version, old);
      }
      const before = await old.ask(request);
      const reason = whyNotComparable(request, before);
      if (reason !== null) tally.exclude(reason);
      else tally.add(line, request, differences(request, before!, met, await now.ask(request), next));
    }
  } finally {
    for (const proxy of [now, ...olds.values()]) proxy.close();
  }
  return tally.report(capture, next, notesOf(capture, next));
}

class Tally {
  #same = 0;
  #changed = 0;
  readonly #groups = new Map<string, { first: ChangedRequests; count: number }>();
  readonly #excluded = new Map<string, number>();

  exclude(reason: string): void {
    this.#excluded.set(reason, (this.#excluded.get(reason) ?? 0) + 1);
  }

  add(line: number, request: CapturedRequest, changes: readonly Change[]): void {
    if (changes.length === 0) {
      this.#same++;
      return;
    }
    this.#changed++;
    const { listener, method, host } = request;
    const path = request.target.split("?", 1)[0]!;
    let key = JSON.stringify([listener, method, host, path, changes]);
    const isNew = !this.#groups.has(key);
    const isFull = isNew && this.#groups.size >= MAX_GROUPS;
    if (isFull) key = listener;
    const group = this.#groups.get(key);
    if (group !== undefined) group.count++;
    else {
      const what = isFull ? { method: "*", host: "*", path: "*" } : { method, host, path };
      this.#groups.set(key, { first: { count: 1, listener, ...what, line, changes }, count: 1 });
    }
  }

  report(capture: ReadCapture, next: Snapshot, notes: readonly string[]): ReplayReport {
    const changes = [...this.#groups.values()]
      .map(({ first, count }) => ({ ...first, count }))
      .sort((a, b) => b.count - a.count || a.line - b.line);
    return {
      workload: capture.head.workload,
      version: next.version,
      requests: capture.requests.length,
      same: this.#same,
      changed: this.#changed,
      changes,
      excluded: Object.fromEntries(this.#excluded),
      lost: capture.lost,
      notes,
    };
  }
}

/**
 * Null where the configuration alone explains what happened then: only what does not depend on the
 * hour, on other requests or on what the capture left out can be said to change.
 */
function whyNotComparable(then: CapturedRequest, replayed: CapturedRequest | null): string | null {
  if (replayed === null) return "it cannot be sent again";
  if (then.status === 0 && then.sent === null) return "the caller left before it was passed on";
  const isSame = then.route === replayed.route && verdictOf(then) === verdictOf(replayed);
  if (isSame) return null;
  const cause = reasonOf(then.flags, then.detail);
  return cause ?? `what was decided by then (${then.detail}) is not in the capture`;
}

function verdictOf({ sent, status, detail }: CapturedRequest): string {
  // Which status a callee's answer has is the callee's own.
  if (sent !== null && (detail === "via_upstream" || status === 0)) return "passed on";
  if (sent !== null && isCalleesFailure(detail)) {
    const isFallback = /^(?:fallback|last_good)_/.test(detail);
    if (!isFallback) return "passed on, and the callee fails";
  }
  return `answered ${status}: ${detail.replace(/\{.*\}$/, "")}`;
}

function differences(
  request: CapturedRequest,
  before: CapturedRequest,
  met: Snapshot,
  after: CapturedRequest | null,
  next: Snapshot,
): Change[] {
  if (after === null) {
    return [{ what: "verdict", before: verdictOf(before), after: "nobody listens there" }];
  }
  const pairs: (readonly [what: string, before: string, after: string])[] = [
    ["route", before.route ?? NONE, after.route ?? NONE],
    ["verdict", verdictOf(before), verdictOf(after)],
  ];
  const [sent, sentNow] = [before.sent, after.sent];
  if (sent !== null && sentNow !== null) {
    pairs.push(["cluster", clusterOf(before, met), clusterOf(after, next)]);
    pairs.push(["sent path", sent.target, sentNow.target]);
    pairs.push(["sent host", sent.host, sentNow.host]);
    pairs.push(...headerPairs("sent", request, sent.headers, sentNow.headers));
  }
  const answers = headerPairs("answer", request, before.answerHeaders, after.answerHeaders);
  const isSameKind = verdictOf(before) === verdictOf(after);
  // Another answer has other headers: of those only where it leads to is news.
  pairs.push(...answers.filter(([what]) => isSameKind || what === "answer header location"));
  return pairs.flatMap(([what, one, other]) =>
    one === other ? [] : [{ what, before: one, after: other }],
  );
}

/** Which one a request gets is by chance where there are several: what counts is the weights. */
function clusterOf({ listener, route, sent }: CapturedRequest, { policy }: Snapshot): string {
  if (sent === null) return NONE;
  const found = policy.listeners[listener]?.routes.find(({ name }) => name === route);
  const backends = (found?.backends ?? []).filter(({ weight }) => weight > 0);
  const sum = backends.reduce((total, { weight }) => total + weight, 0);
  const part = (weight: number): string => `${Number(((100 * weight) / sum).toPrecision(3))}%`;
  if (backends.length === 1) return backends[0]!.cluster;
  return backends.map(({ cluster, weight }) => `${cluster} ${part(weight)}`).join(", ") || NONE;
}

/** Made anew for each request that comes without. */
const MADE_HERE = /^(?:x-request-id|traceparent|tracestate|b3|x-b3-.+)$/;

function headerPairs(
  way: "sent" | "answer",
  request: CapturedRequest,
  before: CapturedHeaders,
  after: CapturedHeaders,
): [what: string, before: string, after: string][] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const shown = (name: string, headers: CapturedHeaders): string => {
    const value = headers[name];
    if (value === undefined) return NONE;
    const isMade = MADE_HERE.test(name) && request.headers[name] === undefined;
    return isMade ? "(made here)" : value;
  };
  return names.map((name) => [`${way} header ${name}`, shown(name, before), shown(name, after)]);
}

// ---------------------------------------------------------------- what a replay does not see

function notesOf(capture: ReadCapture, next: Snapshot): string[] {
  const snapshots = [...capture.snapshots.values(), next];
  const routes = snapshots.flatMap(({ policy }) =>
    Object.values(policy.listeners).flatMap((listener) => listener.routes),
  );
  const skipped = Object.entries(LEFT_OUT).filter(([name]) =>
    routes.some((route) => route.filters.some(({ filter }) => filter === name)),
  );
  const notes = skipped.map(([, words]) => `${words} are not replayed`);
  if (snapshots.some(({ policy }) => Object.values(policy.listeners).some(({ tls }) => tls))) {
    notes.push("TLS is not replayed: requests go without it");
  }
  for (const route of routes) {
    for (const missing of missingOf(route, capture.head)) {
      const note = `route ${route.name} looks at ${missing}, which the capture leaves out`;
      if (!notes.includes(note)) notes.push(note);
    }
  }
  return notes;
}

/** What a route matches by and the capture's lists do not allow. */
function missingOf({ match, sticky }: RoutePolicy, { headers, query }: CaptureHead): string[] {
  const missing: string[] = [];
  for (const { name } of match?.headers ?? []) {
    if (!headers.includes(name)) missing.push(`the header ${name}`);
  }
  const hasCookies = (match?.cookies.length ?? 0) > 0 || sticky !== undefined;
  if (hasCookies && !headers.includes("cookie")) missing.push("cookies");
  for (const { name } of match?.query ?? []) {
    if (!query.includes(name) && !query.includes("*")) missing.push(`the parameter ${name}`);
  }
  return missing;
}
