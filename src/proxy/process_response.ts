import type { FallbackTrigger } from "../api/snapshot.ts";
import type { HeaderBlock } from "../codec/headers.ts";
import type { ResponseHead } from "../codec/message.ts";
import { DECISIONS, type FailureCode, isFailed } from "./errors.ts";
import { FilterFailure } from "./filters/filter.ts";
import type { Stream } from "./stream.ts";
import { increment } from "./telemetry/counters.ts";
import { whenSettled } from "./when_settled.ts";
import { WholeBody } from "./whole_body.ts";

/** The life of an answer: the route's filters in reverse, then the caller; or an answer made here. */
export function processResponse(stream: Stream, head: ResponseHead): void {
  stream.responseStarted = true;
  stream.status = head.status;
  stream.detail = "via_upstream";
  if (stream.idleTimeout.list !== null) stream.touch();
  // A filter may return another length than came.
  if (stream.route!.chain.responseBody.length !== 0 && head.framing === "length") {
    head.framing = "chunked";
  }
  filterResponseHeaders(stream, head, 0);
}

function filterResponseHeaders(stream: Stream, head: ResponseHead, from: number): void {
  const filters = stream.route!.chain.responseHeaders;
  for (let index = from; index < filters.length; index++) {
    let waits: void | Promise<void>;
    try {
      waits = filters[index]!.onResponseHeaders(stream, head);
    } catch (error) {
      stream.responseStarted = false;
      return failStream(stream, "filter-error", whose(error));
    }
    if (waits instanceof Promise) return waitForFilter(stream, head, waits, index + 1);
  }
  if (head.status === 101) startTunnel(stream, head);
  else if (stream.route!.chain.wholeResponse.length !== 0) gather(stream, head);
  else sendHead(stream, head);
}

function sendHead(stream: Stream, head: ResponseHead): void {
  const { lastGood } = stream.route!;
  if (lastGood !== null) {
    stream.capture = lastGood.onAnswer(stream.head, head, stream.context.clock.now());
  }
  if (stream.watch !== null) stream.watch.onAnswer(stream, head);
  stream.downstream.sendHead(head);
}

function waitForFilter(stream: Stream, head: ResponseHead, waits: Promise<void>, next: number): void {
  stream.responseHeld = true;
  stream.connection?.pauseResponse();
  const goOn = (): void => {
    stream.responseHeld = false;
    filterResponseHeaders(stream, head, next);
    releaseResponse(stream);
  };
  whenSettled(stream, waits, goOn, (error) => {
    stream.responseStarted = false;
    failStream(stream, "filter-error", whose(error));
  });
}

function whose(error: unknown): string | undefined {
  return error instanceof FilterFailure ? error.message : undefined;
}

/** Goes on with what came while the answer was held; some of it may hold it again. */
export function releaseResponse(stream: Stream): void {
  const held = stream.heldResponse.splice(0);
  for (const event of held) event();
  // A caller that is behind resumes it when it has read.
  if (stream.responseHeld || stream.downstream.isBlocked) return;
  stream.connection?.resumeResponse();
}

function startTunnel(stream: Stream, head: ResponseHead): void {
  stream.tunnel = true;
  stream.requestTimeout.disarm();
  if (stream.watch !== null) stream.watch.onAnswer(stream, head);
  stream.downstream.sendHead(head);
  stream.connection!.becomeTunnel();
  stream.downstream.becomeTunnel();
}

export function processResponseBody(
  stream: Stream,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  if (stream.finished) return;
  if (stream.responseHeld) {
    stream.heldResponse.push(() => processResponseBody(stream, bytes, start, end));
    return;
  }
  stream.responseBytes += end - start;
  if (stream.idleTimeout.list !== null) stream.touch();
  const filters = stream.tunnel ? NO_FILTERS : stream.route!.chain.responseBody;
  if (filters.length !== 0) {
    let body = bytes.subarray(start, end);
    try {
      for (const filter of filters) body = filter.onResponseBody(stream, body);
    } catch {
      return failStream(stream, "filter-error");
    }
    bytes = body;
    start = 0;
    end = body.length;
  }
  if (stream.wholeResponse !== null && !stream.tunnel) {
    if (!stream.wholeResponse.add(bytes, start, end)) failStream(stream, "response-too-large");
    return;
  }
  sendResponseBody(stream, bytes, start, end);
}

function sendResponseBody(stream: Stream, bytes: Uint8Array, start: number, end: number): void {
  if (stream.capture !== null) stream.capture.add(bytes, start, end);
  if (end === start) return;
  if (stream.pace !== null && !stream.tunnel) stream.pace.send(bytes, start, end);
  else if (!stream.downstream.sendBody(bytes, start, end)) stream.connection?.pauseResponse();
}

const NO_FILTERS = [] as const;

export function processResponseTrailers(stream: Stream, trailers: HeaderBlock): void {
  if (stream.finished) return;
  if (stream.responseHeld) {
    stream.heldResponse.push(() => processResponseTrailers(stream, trailers));
    return;
  }
  try {
    for (const filter of stream.route!.chain.responseTrailers) {
      filter.onResponseTrailers(stream, trailers);
    }
  } catch {
    return failStream(stream, "filter-error");
  }
  if (stream.watch !== null) stream.watch.onTrailers(stream, trailers);
  stream.downstream.sendTrailers(trailers);
}

// ---------------------------------------------------------------- filters of the whole body

function gather(stream: Stream, head: ResponseHead): void {
  if (head.framing === "none") return sendHead(stream, head);
  const { maxWholeBytes } = stream.route!.chain;
  stream.wholeResponse = new WholeBody(maxWholeBytes);
  if (head.framing === "length" && head.contentLength > maxWholeBytes) {
    failStream(stream, "response-too-large");
  }
}

/** The body that was gathered is whole, and the answer not held. A promise holds it. */
export function filterWholeResponse(stream: Stream, head: ResponseHead): void {
  filterWhole(stream, head, stream.wholeResponse!.bytes, 0);
}

function filterWhole(stream: Stream, head: ResponseHead, body: Uint8Array, from: number): void {
  const filters = stream.route!.chain.wholeResponse;
  for (let index = from; index < filters.length; index++) {
    let changed: Uint8Array | Promise<Uint8Array>;
    try {
      changed = filters[index]!.onWholeResponse(stream, head, body);
    } catch (error) {
      return failStream(stream, "filter-error", whose(error));
    }
    if (changed instanceof Promise) return waitForWhole(stream, head, changed, index + 1);
    body = changed;
  }
  stream.wholeResponse = null;
  head.framing = "length";
  head.contentLength = body.length;
  head.headers.set("content-length", String(body.length));
  stream.responseBytes = body.length;
  sendHead(stream, head);
  sendResponseBody(stream, body, 0, body.length);
}

function waitForWhole(
  stream: Stream,
  head: ResponseHead,
  changed: Promise<Uint8Array>,
  next: number,
): void {
  const { generation } = stream;
  stream.responseHeld = true;
  const goOn = (body: Uint8Array): void => {
    stream.responseHeld = false;
    filterWhole(stream, head, body, next);
    if (stream.generation === generation && !stream.finished) releaseResponse(stream);
  };
  whenSettled(stream, changed, goOn, (error) => {
    failStream(stream, "filter-error", whose(error));
  });
}

/** The answer is whole. */
export function processResponseEnd(stream: Stream): void {
  if (stream.finished) return;
  if (stream.capture !== null) stream.capture.keep();
  finishStream(stream);
  stream.downstream.endResponse();
}

// ---------------------------------------------------------------- answers made here

/** The request failed for good: the fallback where the route has one for it, else the plain answer. */
export function failStream(stream: Stream, code: FailureCode, clusterName?: string): void {
  if (stream.finished) return;
  // Nothing of the answer went out yet.
  if (stream.wholeResponse !== null) stream.responseStarted = false;
  const decision = DECISIONS[code];
  stream.addFlag(decision.flag);
  if (stream.responseStarted) {
    // The caller has a part of the answer already: only breaking off tells that the rest is missing.
    stream.detail = detailOf(stream, code);
    releaseUpstream(stream);
    finishStream(stream);
    stream.downstream.abort();
    return;
  }
  const fallback = stream.route === null ? null : stream.route.fallback;
  if (fallback !== null && decision.fallback !== null && fallback.on.has(decision.fallback)) {
    return answerFallback(stream, decision.fallback, code);
  }
  const retry = stream.route?.retry ?? null;
  if (retry !== null && stream.retries >= retry.attempts && decision.retry !== null) {
    stream.addFlag("URX");
  }
  stream.detail = clusterName === undefined ? detailOf(stream, code) : `${code}{${clusterName}}`;
  const body = new TextEncoder().encode(`${textOf(stream, code)}\n`);
  answerLocally(stream, decision.status, PLAIN_TEXT, body);
}

/** What the caller reads. */
function textOf({ malformed }: Stream, code: FailureCode): string {
  const { text } = DECISIONS[code];
  return code === "malformed-response" && malformed !== null ? `${text}: ${malformed.text}` : text;
}

/** With what was wrong and the header's name where the answer was malformed. */
function detailOf(stream: Stream, code: FailureCode): string {
  if (code !== "malformed-response" || stream.malformed === null) return code;
  const { code: problem, header } = stream.malformed;
  return `${code}{${problem}${header === null || header === "" ? "" : `,${header}`}}`;
}

const PLAIN_TEXT: Readonly<Record<string, string>> = { "content-type": "text/plain" };

export function answerFallback(stream: Stream, trigger: FallbackTrigger, reason: string): void {
  const route = stream.route!;
  const fallback = route.fallback!;
  increment(route.counters.fallbacks, trigger);
  const stale = route.lastGood?.find(stream.head, stream.context.clock.now()) ?? null;
  if (stale !== null) {
    route.counters.lastGood++;
    stream.detail = `last_good_${trigger}{${reason}}`;
    return answerLocally(stream, 200, stale.headers, stale.body);
  }
  stream.detail = `fallback_${trigger}{${reason}}`;
  answerLocally(stream, fallback.status, fallback.headers, fallback.body);
}

export function answerLocally(
  stream: Stream,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): void {
  if (stream.route !== null && stream.route.chain.localAnswer.length !== 0) {
    headers = filterLocalAnswer(stream, headers);
  }
  stream.status = status;
  stream.responseBytes = body.length;
  if (stream.watch !== null) stream.watch.onLocalAnswer(stream, headers);
  releaseUpstream(stream);
  finishStream(stream);
  stream.downstream.sendLocal(status, headers, body);
}

function filterLocalAnswer(
  stream: Stream,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  for (const filter of stream.route!.chain.localAnswer) {
    try {
      headers = filter.onLocalAnswer(stream, headers);
    } catch {
      // The answer goes out without what this filter would have said.
    }
  }
  return headers;
}

/** The caller left. */
export function abandonStream(stream: Stream, flag: "DC" | "DPE"): void {
  if (stream.finished) return;
  stream.addFlag(flag);
  stream.detail = flag === "DC" ? "downstream_closed" : "downstream_malformed";
  releaseUpstream(stream);
  finishStream(stream);
}

/** Lets go of what the try in hand holds: its connection, its dial, its place in the queue. */
export function releaseUpstream(stream: Stream): void {
  const { connection, dialing, retryTimer } = stream;
  if (retryTimer !== null) {
    retryTimer.cancel();
    stream.retryTimer = null;
  }
  if (connection !== null) {
    stream.connection = null;
    connection.cancel();
  } else if (dialing !== null) {
    stream.dialing = null;
    dialing.abandonDial();
  } else {
    stream.cluster?.forget(stream);
  }
}

/** Ends the account of a stream. It comes once a stream, whatever became of it. */
function finishStream(stream: Stream): void {
  if (stream.finished) return;
  stream.finished = true;
  const { route, cluster, context } = stream;
  if (stream.requestTimeout.list !== null) stream.requestTimeout.disarm();
  if (stream.tryTimeout.list !== null) stream.tryTimeout.disarm();
  if (stream.idleTimeout.list !== null) stream.idleTimeout.disarm();
  if (stream.heldRequest.length !== 0) stream.heldRequest.length = 0;
  if (stream.heldResponse.length !== 0) stream.heldResponse.length = 0;
  if (stream.bodyParts.length !== 0) stream.bodyParts.length = 0;
  stream.wholeRequest = null;
  stream.wholeResponse = null;
  if (stream.capture !== null) {
    stream.capture.drop();
    stream.capture = null;
  }
  if (stream.mirrored !== null) {
    stream.mirrored.drop();
    stream.mirrored = null;
  }
  if (cluster !== null) cluster.leave(stream);
  const now = context.clock.now();
  const counters = route === null ? stream.config.counters.route("-") : route.counters;
  if (route !== null) counters.active--;
  counters.answers.add(stream.status);
  counters.requestBytes += stream.requestBytes;
  counters.responseBytes += stream.responseBytes;
  if (stream.retries !== 0) counters.retries += stream.retries;
  const durationMs = now - stream.startedMs;
  if (stream.isSampled && stream.traceId !== null) {
    counters.duration.observeTraced(durationMs, stream.traceId, context.clock.wallMs());
  } else counters.duration.observe(durationMs);
  if (route !== null && route.chain.complete.length !== 0) completeFilters(stream);
  if (stream.watch !== null) stream.watch.onComplete(stream, now);
  if (isFailed(stream)) context.failures.add(stream, now);
  context.accessLog.add(stream, now);
}

function completeFilters(stream: Stream): void {
  for (const filter of stream.route!.chain.complete) {
    try {
      filter.onComplete(stream);
    } catch {
      // The answer is out already: there is nobody left to tell.
    }
  }
}
