import type {
  FailedRequest,
  FilterRecord,
  RequestRecord,
  TryRecord,
} from "../../api/request_record.ts";
import type { RoutePolicy, Snapshot } from "../../api/snapshot.ts";
import type { Clock } from "../../base/world.ts";
import type { Stream } from "../stream.ts";
import { policyPlaces } from "./policy_places.ts";
import { RateBound } from "./rate_bound.ts";
import { askedOf, recordOf } from "./record.ts";

/** So many are kept, or fewer: as many as fit. */
export const KEPT_FAILURES = 1_024;
export const KEPT_BYTES = 1024 * 1024;
/** Of more in a second the first are kept: who refuses a flood has no time to write it down. */
export const KEPT_PER_SECOND = 2_000;
/** What a list of the newest has at most. */
const LISTED = 256;
/** Of one request. */
const MAX_TRIES = 16;
/** An entry without its texts and tries, and a try without its texts. */
const ENTRY_BYTES = 400;
const TRY_BYTES = 100;
/** Ways to fail that are told apart without looking again, of one route and of no route. */
const MAX_WAYS = 256;

type Kept = FailedRequest & { readonly bytes: number };

/** The same for all that fail alike. */
type Ruled = Pick<FailedRequest, "filter" | "policy">;

/**
 * The requests that were refused or failed, the newest ones, so that someone can ask why. A request
 * that is well never comes here.
 */
export class RecentFailures {
  /** Of the Snapshot in force. */
  #snapshot: Snapshot | null = null;
  readonly #clock: Clock;
  readonly #rate: RateBound;
  /** Of a group; its entries have keys of their own. */
  worker = 0;
  readonly #ring: (Kept | undefined)[] = new Array<undefined>(KEPT_FAILURES);
  #rulesOf = new WeakMap<RoutePolicy, Map<string, Ruled>>();
  #rulesWithoutRoute = new Map<string, Ruled>();
  /** Number of the next one. */
  #next = 0;
  /** Number of the oldest that is kept. */
  #oldest = 0;
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#rate = new RateBound(clock, KEPT_PER_SECOND);
  }

  /** From now on lines are those of this Snapshot. */
  follow(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#rulesOf = new WeakMap();
    this.#rulesWithoutRoute = new Map();
  }

  add(stream: Stream, nowMs: number): void {
    if (stream.isMirror || !this.#rate.passes()) return;
    const entry = this.#entryOf(stream, nowMs);
    if (this.#next - this.#oldest === KEPT_FAILURES) this.#forgetOldest();
    this.#ring[this.#next++ % KEPT_FAILURES] = entry;
    this.#bytes += entry.bytes;
    while (this.#bytes > KEPT_BYTES) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const at = this.#oldest++ % KEPT_FAILURES;
    this.#bytes -= this.#ring[at]!.bytes;
    this.#ring[at] = undefined;
  }

  /** Those with this request id, trace id or key; without one the newest. The newest is first. */
  find(id: string | null): FailedRequest[] {
    const found: FailedRequest[] = [];
    for (let number = this.#next - 1; number >= this.#oldest; number--) {
      const { bytes: _bytes, ...one } = this.#ring[number % KEPT_FAILURES]!;
      if (id !== null && one.requestId !== id && one.traceId !== id && one.key !== id) continue;
      if (found.push(one) === LISTED) break;
    }
    return found;
  }

  #entryOf(stream: Stream, nowMs: number): Kept {
    const tries = stream.failedTries ?? [];
    const record = recordOf(stream, askedOf(stream, false), tries, nowMs, this.#clock.wallMs());
    const said = readDetail(stream);
    const { cause, answeredBy } = said;
    const cluster = record.cluster ?? said.cluster;
    return {
      ...record,
      cluster,
      key: `f${this.worker}-${this.#next + 1}`,
      version: this.#snapshot?.version ?? "",
      cause,
      breaker: stream.cluster?.breaker?.state ?? null,
      answeredBy,
      ...this.#rulesFor(stream, said, cluster),
      bytes: bytesOf(record),
    };
  }

  /** Many requests fail alike: what decided is looked up once. */
  #rulesFor(stream: Stream, said: Said, cluster: string | null): Ruled {
    const { route } = stream;
    let known = route === null ? this.#rulesWithoutRoute : this.#rulesOf.get(route.policy);
    if (known === undefined) this.#rulesOf.set(route!.policy, (known = new Map()));
    const { cause, rule, answeredBy } = said;
    const at = route === null ? -1 : route.filters.indexOf(stream.answeredBy!);
    const isExhausted = stream.flags.includes("URX");
    const who = `${stream.listenerName} ${cluster} ${at} ${rule}`;
    const way = `${who} ${cause} ${answeredBy} ${isExhausted}`;
    let ruled = known.get(way);
    if (ruled === undefined) {
      ruled = this.#look(stream, said, cluster, at);
      if (known.size < MAX_WAYS) known.set(way, ruled);
    }
    return ruled;
  }

  #look(stream: Stream, said: Said, cluster: string | null, at: number): Ruled {
    const snapshot = this.#snapshot;
    if (snapshot === null) return { filter: null, policy: [] };
    const { route, listenerName: listener } = stream;
    const filter = route === null ? null : filterAt(snapshot, listener, route.policy, at);
    const { cause, rule, answeredBy } = said;
    const policy = policyPlaces(snapshot, {
      ...{ listener, cluster, cause, filter, rule },
      route: route === null ? null : route.name,
      retriesExhausted: stream.flags.includes("URX"),
      isFallback: answeredBy === "fallback" || answeredBy === "last-good",
    });
    return { filter, policy };
  }
}

interface Said {
  readonly cause: string;
  readonly cluster: string | null;
  readonly rule: number | null;
  readonly answeredBy: FailedRequest["answeredBy"];
}

/** The detail's form is that of `process_response.ts`: `code`, `code{more}`, `fallback_x{code}`. */
function readDetail(stream: Stream): Said {
  const { detail } = stream;
  const brace = detail.indexOf("{");
  const head = brace < 0 ? detail : detail.slice(0, brace);
  const inner = brace < 0 ? "" : detail.slice(brace + 1, -1);
  if (head === "downstream_closed") return read("caller-left", "nobody");
  if (head.startsWith("fallback_")) return read(causeOfFallback(inner), "fallback");
  if (head.startsWith("last_good_")) return read(causeOfFallback(inner), "last-good");
  if (head === "via_upstream") return read(head, "upstream");
  const answeredBy = stream.status === 0 ? "nobody" : "here";
  if (head === "denied") return { ...read(head, answeredBy), rule: Number.parseInt(inner, 10) };
  const cluster = head.startsWith("overflow-") && inner !== "" ? inner : null;
  return { ...read(head, answeredBy), cluster };
}

function read(cause: string, answeredBy: FailedRequest["answeredBy"]): Said {
  return { cause, answeredBy, cluster: null, rule: null };
}

/** `upstream_503`: the upstream's own answer was kept from the caller. */
function causeOfFallback(inner: string): string {
  const brace = inner.indexOf("{");
  const cause = brace < 0 ? inner : inner.slice(0, brace);
  return cause.startsWith("upstream_") ? "via_upstream" : cause;
}

/** A fault of run time stands among the route's filters, and in no file. */
function filterAt(
  snapshot: Snapshot,
  listener: string,
  route: RoutePolicy,
  at: number,
): FilterRecord | null {
  const policy = route.filters[at];
  if (policy === undefined) return null;
  const routes = snapshot.policy.listeners[listener]?.routes ?? [];
  const inFile = routes.find(({ name }) => name === route.name)?.filters ?? [];
  const { name } = policy.config;
  return {
    name: policy.filter,
    index: inFile.indexOf(policy),
    limit: policy.filter === "rate_limit" && typeof name === "string" ? name : null,
    isRuntimeFault: policy.filter === "fault" && !inFile.includes(policy),
  };
}

function bytesOf(record: RequestRecord): number {
  const { path, host, detail, requestId, traceId, tries, query } = record;
  let bytes = ENTRY_BYTES + 2 * (path.length + host.length + detail.length + query.length);
  bytes += 2 * ((requestId?.length ?? 0) + (traceId?.length ?? 0));
  for (const one of tries) bytes += TRY_BYTES + 2 * (one.upstream?.length ?? 0);
  return bytes;
}

/** Notes a try that failed on its stream; only such tries are remembered. */
export function noteFailedTry(stream: Stream, status: number, failure: string | null): void {
  stream.failedTries ??= [];
  if (stream.failedTries.length === MAX_TRIES) return;
  const now = stream.context.clock.now();
  const one: TryRecord = {
    upstream: stream.endpoint === null ? null : stream.endpoint.key,
    startMs: stream.tryStartedMs - stream.startedMs,
    durationMs: now - stream.tryStartedMs,
    status,
    failure,
  };
  stream.failedTries.push(one);
}
