import type { FailedRequest, PolicyPlace } from "../api/request_record.ts";
import { defaultReason } from "../compile/defaults.ts";

/** What happened to a request, and what a person can do about it. */
export interface FailureWords {
  readonly what: string;
  readonly advice: string;
}

type Describe = (request: FailedRequest, app: string) => FailureWords;

/** By cause. `app` is the sidecar's own, as commands take it. */
const WORDS: Readonly<Record<string, Describe>> = {
  "no-route": ({ listener, host, path }, app) => ({
    what: `no route of listener ${listener} takes host "${host}" with the path ${path}`,
    advice: `outrigger routes ${app} shows what is taken; add a route, or call another name`,
  }),
  overload: (_, app) => ({
    what: "the sidecar itself had too much to do, and refused new requests",
    advice: `outrigger status and outrigger logs ${app} say which bound was reached: memory or lag`,
  }),
  "bad-path": ({ path }) => ({
    what: `the path ${path} can be read in two ways (a bad escape, a NUL, a backslash)`,
    advice: "the caller has to send it well-formed; no policy changes this",
  }),
  "unsupported-method": ({ method }) => ({
    what: `the method ${method} is not offered by the proxy`,
    advice: "the caller has to use another one; no policy changes this",
  }),
  downstream_malformed: () => ({
    what: "the caller's request was malformed after its head, for example a bad chunk",
    advice: "outrigger tap --malformed shows what is wrong with it; the caller has to change",
  }),
  "breaker-open": ({ cluster }, app) => ({
    what: `the circuit breaker of ${cluster} was open: the request was not sent`,
    advice:
      `too many tries to ${cluster} had failed or were slow: outrigger clusters ${app} shows ` +
      "which endpoints; the breaker closes by itself when probes succeed",
  }),
  "overflow-requests": ({ cluster }) => ({
    what: `as many requests to ${cluster} were in flight as limits.maxRequests allows`,
    advice: `either ${cluster} is slow (outrigger top), or the limit is too low for the load`,
  }),
  "overflow-concurrency": ({ cluster }) => ({
    what: `the adaptive limit of ${cluster} was reached: it answers slower than it can`,
    advice: `${cluster} needs more capacity; limits.adaptive says how the limit is found`,
  }),
  "overflow-pending": ({ cluster }) => ({
    what: `all connections to ${cluster} were busy, and the queue for one was full`,
    advice: "raise limits.maxConnections or limits.maxPendingRequests, or make the callee faster",
  }),
  "no-endpoint": ({ cluster }, app) => ({
    what: `${cluster} had no endpoint to send to`,
    advice: `does it run, and does its name resolve? outrigger clusters ${app}; outrigger status`,
  }),
  "connect-failure": ({ cluster, upstream }) => ({
    what: `no connection to ${upstream ?? cluster} of ${cluster} could be made`,
    advice: `is ${cluster} running and listening? outrigger status, outrigger logs ${cluster}`,
  }),
  "connect-timeout": ({ cluster, upstream }) => ({
    what: `${upstream ?? cluster} of ${cluster} did not take a connection in time`,
    advice: "is the address reachable from here? connectTimeout says how long is waited",
  }),
  "tls-failure": ({ cluster, upstream }) => ({
    what: `the TLS handshake with ${upstream ?? cluster} of ${cluster} failed`,
    advice: `why stands in the event handshakes-failed: outrigger logs ${cluster}; calls.NAME.tls says whom to trust`,
  }),
  reset: ({ cluster, upstream }) => ({
    what: `${upstream ?? cluster} of ${cluster} closed the connection before its answer was whole`,
    advice: `it may have crashed or restarted: outrigger logs ${cluster}`,
  }),
  timeout: ({ cluster, upstream, durationMs }) => ({
    what:
      `the route's timeout ended the request after ${Math.round(durationMs)} ms` +
      waiting(cluster, upstream),
    advice: "make the callee faster, or the timeout longer; retries count against it too",
  }),
  "idle-timeout": ({ cluster, upstream }) => ({
    what:
      "no byte came in either direction for as long as idleTimeout allows" +
      waiting(cluster, upstream),
    advice: "the callee hung, or the caller stopped sending",
  }),
  "per-try-timeout": ({ cluster, upstream }) => ({
    what: `a try got no answer within retry.perTryTimeout${waiting(cluster, upstream)}`,
    advice: "make the callee faster, or perTryTimeout longer",
  }),
  "malformed-response": ({ cluster, upstream, detail }) => ({
    what: `the answer of ${upstream ?? cluster} of ${cluster} is malformed: ${detail}`,
    advice:
      `outrigger tap --malformed shows the header; the callee has to change, or ` +
      "responseValidation: tolerant repairs what is safe",
  }),
  "filter-error": ({ filter, detail }) => ({
    what: `${filter === null ? "a filter" : `the filter ${filter.name}`} failed: ${detail}`,
    advice: "what it says stands in the sidecar's log",
  }),
  denied: ({ filter, method }) => ({
    what: `a rule of the filter ${filter?.name ?? "deny"} does not let ${method} through`,
    advice: "call from an allowed network, or change the rule",
  }),
  rate_limited: ({ filter }) => ({
    what: `the rate limit ${filter?.limit ?? ""} was used up`.replace("  ", " "),
    advice: "the answer's Retry-After says when to come again; or raise the limit",
  }),
  rate_limit_away: ({ filter }) => ({
    what: `the shared rate limit ${filter?.limit ?? ""} had no answer in time from its Redis`,
    advice: "is the Redis well? whenAway says what happens without it",
  }),
  fault_filter_abort: ({ filter }, app) => ({
    what:
      filter?.isRuntimeFault === true
        ? "a fault that outrigger fault switched on answered it: it stands in no file"
        : "a fault that a file asks for answered it",
    advice:
      filter?.isRuntimeFault === true
        ? `outrigger fault shows it; outrigger fault ${app} --clear ends it`
        : "take faults out of the file when the experiment is over",
  }),
  via_upstream: ({ upstream, cluster, status, answeredBy }) => ({
    what:
      answeredBy === "upstream"
        ? `${upstream} of ${cluster} itself answered ${status}`
        : `${upstream} of ${cluster} answered with an error of its own`,
    advice: `the reason is behind it: its own hop, where one is shown, or its log (outrigger logs)`,
  }),
  "caller-left": () => ({
    what: "the caller closed its connection before the answer was whole",
    advice: "its own timeout may be shorter than this request takes",
  }),
  direct_response: ({ filter, status }) => ({
    what: `the filter ${filter?.name ?? ""} answers such requests itself, with ${status}`,
    advice: "the route says so: nothing is sent on",
  }),
};

export function failureWords(request: FailedRequest, app: string): FailureWords {
  const describe = WORDS[request.cause];
  const words = describe?.(request, app) ?? {
    what: request.reason ?? request.detail,
    advice: `outrigger tap ${app} --failed shows the next ones`,
  };
  const { answeredBy, flags, tries } = request;
  const more = [
    flags.includes("URX") ? `all retries were used (${tries.length} tries failed)` : "",
    flags.includes("DI") ? "it had been delayed by a fault" : "",
    answeredBy === "fallback" ? `the caller got the fallback, ${request.status}` : "",
    answeredBy === "last-good" ? "the caller got the last good answer" : "",
  ].filter((text) => text !== "");
  return { ...words, what: [words.what, ...more].join("; ") };
}

function waiting(cluster: string | null, upstream: string | null): string {
  if (cluster === null) return ", before it was sent anywhere";
  return `, while ${upstream ?? "an endpoint"} of ${cluster} was waited for`;
}

export interface PlaceWords {
  /** `/policy/clusters/api/breaker = {"errorRate":0.5}` */
  readonly what: string;
  /** `asked for by shop.yaml:9:5 spec.calls.api.breaker` */
  readonly from: string;
}

const MAX_VALUE = 160;

export function placeWords({ pointer, origin, isWritten, value }: PolicyPlace): PlaceWords {
  const shown = value === null ? "" : ` = ${JSON.stringify(value)}`;
  const what = `${pointer}${shown.length > MAX_VALUE ? "" : shown}`;
  if (origin === null) return { what, from: "no line asks for it: it is a default" };
  const line = `${origin.file}:${origin.line}:${origin.column} ${origin.field}`;
  if (isWritten) return { what, from: `asked for by ${line}` };
  const reason = pointer.includes("/filters/") ? null : defaultReason(pointer);
  if (reason === null) return { what, from: `follows from ${line}` };
  return { what, from: `a default, on what ${line} asks for: ${reason}` };
}
