import { EXPECT, type HeaderBlock } from "../codec/headers.ts";
import { ResponseHead } from "../codec/message.ts";
import type { DirectAnswer, Filter, WholeVerdict } from "./filters/filter.ts";
import { answerLocally, failStream } from "./process_response.ts";
import { normalizePath } from "./route/normalize_path.ts";
import type { Stream } from "./stream.ts";
import { startTry } from "./tries.ts";
import { whenSettled } from "./when_settled.ts";
import { WholeBody } from "./whole_body.ts";

/**
 * The life of a request, the same for every HTTP version: normalise, route, the route's filters in
 * order, cluster. The answer comes back through `process_response.ts`. The seven hops: socket, codec,
 * processRequest, filters, cluster, codec, socket.
 */
export function processRequest(stream: Stream): void {
  const { head, config } = stream;
  if (config.watcher !== null) stream.watch = config.watcher.begin(stream);
  if (head.method === "CONNECT") return failStream(stream, "unsupported-method");
  if (head.unusualPath && !normalise(stream)) return failStream(stream, "bad-path");
  const route = config.routes.find(head);
  if (route === null) {
    config.counters.observed.add("", head.host, stream.startedMs);
    return failStream(stream, "no-route");
  }
  stream.route = route;
  route.counters.active++;
  if (head.framing === "length" && head.contentLength > config.maxBodyBytes) {
    return failStream(stream, "body-too-large");
  }
  const { timeouts, overload } = stream.context;
  if (overload.isShedding && overload.refuses(head)) return failStream(stream, "overload");
  const { timeoutMs, idleTimeoutMs } = route.policy;
  if (timeoutMs !== 0) timeouts.list(timeoutMs).arm(stream.requestTimeout);
  if (idleTimeoutMs !== 0) timeouts.list(idleTimeoutMs).arm(stream.idleTimeout);
  // A filter may return another length than came.
  if (route.chain.requestBody.length !== 0 && head.framing === "length") head.framing = "chunked";
  filterRequestHeaders(stream, 0);
}

/** Before anything is compared with the path: what is matched is what is passed on. */
function normalise(stream: Stream): boolean {
  const { head } = stream;
  if (head.target === "*") return true;
  const path = normalizePath(head.path);
  if (path === null) return false;
  const query = head.target.indexOf("?");
  head.rewritten = query < 0 ? path : path + head.target.slice(query);
  return true;
}

function filterRequestHeaders(stream: Stream, from: number): void {
  const filters = stream.route!.chain.requestHeaders;
  for (let index = from; index < filters.length; index++) {
    let verdict: DirectAnswer | undefined | Promise<DirectAnswer | undefined>;
    try {
      verdict = filters[index]!.onRequestHeaders(stream);
    } catch {
      return filterFailed(stream, filters[index]!);
    }
    if (verdict === undefined) continue;
    if (!(verdict instanceof Promise)) return answerDirectly(stream, verdict, filters[index]!);
    return waitForVerdict(stream, verdict, index + 1);
  }
  if (stream.route!.chain.wholeRequest.length !== 0 && !stream.head.upgrade) gather(stream);
  else chooseCluster(stream);
}

function waitForVerdict(
  stream: Stream,
  verdict: Promise<DirectAnswer | undefined>,
  next: number,
): void {
  stream.requestHeld = true;
  stream.downstream.pauseRequest();
  const filter = stream.route!.chain.requestHeaders[next - 1]!;
  const goOn = (answer: DirectAnswer | undefined): void => {
    stream.requestHeld = false;
    if (answer === undefined) filterRequestHeaders(stream, next);
    else answerDirectly(stream, answer, filter);
    // The next filter may have returned a promise too.
    if (!stream.finished && !stream.requestHeld) releaseRequest(stream);
  };
  whenSettled(stream, verdict, goOn, () => filterFailed(stream, filter));
}

function filterFailed(stream: Stream, filter: Filter): void {
  stream.answeredBy = filter;
  failStream(stream, "filter-error");
}

/** Goes on with what came while a promise held the request. */
function releaseRequest(stream: Stream): void {
  const held = stream.heldRequest.splice(0);
  for (const event of held) event();
  if (stream.connection !== null || stream.wholeRequest !== null) stream.downstream.resumeRequest();
}

function answerDirectly(stream: Stream, answer: DirectAnswer, filter?: Filter): void {
  stream.answeredBy = filter ?? null;
  stream.detail = answer.detail ?? "direct_response";
  answerLocally(stream, answer.status, answer.headers, new TextEncoder().encode(answer.body));
}

function chooseCluster(stream: Stream): void {
  const cluster = stream.route!.chooseCluster(stream.context.random, stream.head);
  stream.config.counters.observed.add(cluster.name, stream.head.host, stream.startedMs);
  const refusal = cluster.admit(stream.startedMs);
  if (refusal !== null) return failStream(stream, refusal, cluster.name);
  stream.cluster = cluster;
  const { mirror } = stream.route!;
  // Before: a try that fails at once ends the stream, and its head may be the next request's then.
  const copy = mirror === null ? null : mirror.take(stream);
  startTry(stream);
  if (copy !== null) copy.start();
}

// ---------------------------------------------------------------- body and end of the request

/** A slice of the request's body. */
export function processRequestBody(
  stream: Stream,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  if (stream.finished) return;
  if (stream.requestHeld) {
    stream.heldRequest.push(() => processRequestBody(stream, bytes, start, end));
    return;
  }
  stream.requestBytes += end - start;
  if (stream.requestBytes > stream.config.maxBodyBytes && !stream.tunnel) {
    return failStream(stream, "body-too-large");
  }
  if (stream.idleTimeout.list !== null) stream.touch();
  const filters = stream.tunnel ? NO_FILTERS : stream.route!.chain.requestBody;
  if (filters.length === 0) return sendRequestBody(stream, bytes, start, end);
  let body = bytes.subarray(start, end);
  try {
    for (const filter of filters) body = filter.onRequestBody(stream, body);
  } catch {
    return failStream(stream, "filter-error");
  }
  if (body.length !== 0) sendRequestBody(stream, body, 0, body.length);
}

const NO_FILTERS = [] as const;

function sendRequestBody(stream: Stream, bytes: Uint8Array, start: number, end: number): void {
  if (stream.wholeRequest !== null) {
    if (!stream.wholeRequest.add(bytes, start, end)) failStream(stream, "request-too-large");
    return;
  }
  const { connection, bodyParts } = stream;
  if (stream.mirrored !== null && !stream.mirrored.gather(bytes, start, end)) {
    stream.mirrored = null;
  }
  if (stream.bodyIsWhole && !stream.tunnel) {
    stream.bodyKeptBytes += end - start;
    const keeps = stream.bodyKeptBytes <= (stream.route!.retry?.maxBodyBytes ?? 0);
    if (keeps || connection === null) bodyParts.push({ bytes, start, end });
    if (!keeps && connection !== null) {
      bodyParts.length = 0;
      stream.bodyIsWhole = false;
    }
  }
  // Without a connection the socket is paused: what is kept is bounded by one read.
  if (connection === null || !connection.sendBody(bytes, start, end)) {
    stream.downstream.pauseRequest();
  }
}

export function processRequestTrailers(stream: Stream, trailers: HeaderBlock): void {
  if (stream.finished) return;
  if (stream.requestHeld) {
    stream.heldRequest.push(() => processRequestTrailers(stream, trailers));
    return;
  }
  try {
    for (const filter of stream.route!.chain.requestTrailers) {
      filter.onRequestTrailers(stream, trailers);
    }
  } catch {
    return failStream(stream, "filter-error");
  }
  stream.trailers = trailers;
}

export function processRequestEnd(stream: Stream): void {
  if (stream.finished) return;
  if (stream.requestHeld) {
    stream.heldRequest.push(() => processRequestEnd(stream));
    return;
  }
  if (stream.wholeRequest !== null) return filterWhole(stream, stream.wholeRequest.bytes, 0);
  stream.requestEnded = true;
  stream.connection?.endRequest(stream.trailers);
  if (stream.mirrored !== null) {
    stream.mirrored.start();
    stream.mirrored = null;
  }
}

// ---------------------------------------------------------------- filters of the whole body

/** Keeps the body until it is whole: its head may change by then. */
function gather(stream: Stream): void {
  const { head } = stream;
  const { maxWholeBytes } = stream.route!.chain;
  if (head.framing === "length" && head.contentLength > maxWholeBytes) {
    return failStream(stream, "request-too-large");
  }
  stream.wholeRequest = new WholeBody(maxWholeBytes);
  if (head.framing === "none" || !head.headers.has(EXPECT)) return;
  // The caller waits for a word, and the callee hears of the request too late to give it.
  head.headers.remove("expect");
  stream.downstream.sendInterim(CONTINUE);
}

const CONTINUE = new ResponseHead();
CONTINUE.status = 100;

function filterWhole(stream: Stream, body: Uint8Array, from: number): void {
  const filters = stream.route!.chain.wholeRequest;
  for (let index = from; index < filters.length; index++) {
    let verdict: WholeVerdict | Promise<WholeVerdict>;
    try {
      verdict = filters[index]!.onWholeRequest(stream, body);
    } catch {
      return filterFailed(stream, filters[index]!);
    }
    if (verdict instanceof Promise) return waitForWhole(stream, verdict, index + 1);
    if (!(verdict instanceof Uint8Array)) return answerDirectly(stream, verdict, filters[index]!);
    body = verdict;
  }
  sendWhole(stream, body);
}

function waitForWhole(stream: Stream, verdict: Promise<WholeVerdict>, next: number): void {
  const filter = stream.route!.chain.wholeRequest[next - 1]!;
  const goOn = (found: WholeVerdict): void => {
    if (found instanceof Uint8Array) filterWhole(stream, found, next);
    else answerDirectly(stream, found, filter);
  };
  whenSettled(stream, verdict, goOn, () => filterFailed(stream, filter));
}

function sendWhole(stream: Stream, body: Uint8Array): void {
  const { head, generation } = stream;
  stream.wholeRequest = null;
  if (body.length !== 0 || head.framing !== "none") {
    head.framing = "length";
    head.contentLength = body.length;
    head.headers.set("content-length", String(body.length));
  }
  chooseCluster(stream);
  // Refused at once: the stream may be the next request's by now.
  if (stream.generation !== generation || stream.finished) return;
  if (body.length !== 0) sendRequestBody(stream, body, 0, body.length);
  // Nothing more comes that would have to wait, and a caller that leaves is to be noticed.
  stream.downstream.resumeRequest();
  processRequestEnd(stream);
}
