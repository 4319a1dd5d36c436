import type { ResponseHead } from "../codec/message.ts";
import {
  backoffMs,
  isIdempotent,
  retriesFailure,
  retriesStatus,
  retryAfterMs,
} from "./cluster/retry.ts";
import { DECISIONS, type FailureCode } from "./errors.ts";
import {
  answerFallback,
  failStream,
  processResponse,
  releaseUpstream,
} from "./process_response.ts";
import type { Stream, StreamTimeoutKind } from "./stream.ts";
import { noteFailedTry } from "./watch/recent_failures.ts";

/**
 * The tries of one request: each is one sending to one endpoint. Asks the breaker, waits for a
 * connection, judges the outcome, tries again where the policy allows it.
 */
export function startTry(stream: Stream): void {
  const cluster = stream.cluster!;
  const now = stream.context.clock.now();
  if (cluster.breaker !== null) {
    const pass = cluster.breaker.tryAcquire(now);
    if (pass === 0) {
      cluster.counters.rejectedByBreaker++;
      return failStream(stream, "breaker-open");
    }
    stream.breakerPass = pass;
  }
  stream.tryOpen = true;
  stream.tryStartedMs = now;
  const perTryTimeoutMs = stream.route!.retry?.perTryTimeoutMs ?? 0;
  if (perTryTimeoutMs !== 0) {
    stream.context.timeouts.list(perTryTimeoutMs).arm(stream.tryTimeout);
  }
  if (stream.watch !== null) stream.watch.onTry(stream);
  cluster.connect(stream);
}

/** The cluster has no connection to give, or the one in hand failed. */
export function tryFailed(stream: Stream, code: FailureCode): void {
  if (stream.finished) return;
  const decision = DECISIONS[code];
  stream.tryTimeout.disarm();
  stream.cluster!.judge(stream, 0, stream.endpointIsBusy ? code : null);
  if (stream.watch !== null) stream.watch.onTryEnd(stream, 0, code);
  noteFailedTry(stream, 0, code);
  if (!stream.responseStarted && decision.retry !== null && mayRetry(stream)) {
    const policy = stream.route!.retry!;
    if (retriesFailure(policy, decision.retry) && spendRetry(stream)) {
      stream.addFlag(decision.flag);
      return;
    }
  }
  failStream(stream, code);
}

/** An answer's head arrived: deliver it, or try again, or give the fallback instead. */
export function tryAnswered(stream: Stream, head: ResponseHead): void {
  const { status } = head;
  if (stream.tryTimeout.list !== null) stream.tryTimeout.disarm();
  stream.cluster!.judge(stream, status, null);
  if (stream.watch !== null) stream.watch.onTryEnd(stream, status, null);
  if (status >= 500 || status === 409) {
    noteFailedTry(stream, status, null);
    const { retry, fallback } = stream.route!;
    const wanted = retry === null ? status >= 500 : retriesStatus(retry, status);
    if (retry !== null && wanted && mayRetry(stream) && spendRetry(stream, askedToWaitMs(stream, head))) {
      stream.connection!.discardResponse();
      return;
    }
    if (retry !== null && wanted && stream.retries >= retry.attempts) stream.addFlag("URX");
    // A 409 that stays is the app's own word.
    if (status >= 500 && wanted && fallback !== null && fallback.on.has("exhausted")) {
      stream.connection!.discardResponse();
      return answerFallback(stream, "exhausted", `upstream_${status}`);
    }
  }
  processResponse(stream, head);
}

/** One of the stream's times is up. */
export function streamTimedOut(stream: Stream, which: StreamTimeoutKind): void {
  if (stream.finished) return;
  if (which === "try") {
    releaseUpstream(stream);
    return tryFailed(stream, "per-try-timeout");
  }
  const code = which === "request" ? "timeout" : "idle-timeout";
  const wasTrying = stream.tryOpen;
  stream.cluster?.judge(stream, 0, stream.endpointIsBusy ? code : null);
  if (wasTrying) noteFailedTry(stream, 0, code);
  failStream(stream, code);
}

function mayRetry(stream: Stream): boolean {
  const { retry } = stream.route!;
  if (retry === null || stream.retries >= retry.attempts || stream.tunnel) return false;
  if (!stream.bodyIsWhole) return false;
  return retry.methods === "all" || isIdempotent(stream.head.method);
}

/** What the answer's Retry-After asks for, where the policy looks at it. */
function askedToWaitMs({ route, context }: Stream, head: ResponseHead): number {
  if ((route!.retry!.maxRetryAfterMs ?? 0) === 0) return 0;
  return retryAfterMs(head.headers.get("retry-after"), context.clock.wallMs());
}

/** Whether so long a wait is within the policy's bound and the request's time. */
function mayWait(stream: Stream, waitMs: number): boolean {
  if (waitMs > (stream.route!.retry!.maxRetryAfterMs ?? 0)) return false;
  const { timeoutMs } = stream.route!.policy;
  return timeoutMs === 0 || stream.context.clock.now() + waitMs < stream.startedMs + timeoutMs;
}

/** Plans the next try where the bounds allow it. */
function spendRetry(stream: Stream, askedMs = 0): boolean {
  const cluster = stream.cluster!;
  const retry = stream.route!.retry!;
  if (askedMs !== 0 && !mayWait(stream, askedMs)) return false;
  if (!cluster.takeRetry(retry)) return false;
  // On top of what was asked for: else all who were turned away come back at once.
  const waitMs = askedMs + backoffMs(retry, stream.retries, stream.context.random);
  stream.retries++;
  stream.tryIsRetry = true;
  const { generation } = stream;
  stream.retryTimer = stream.context.clock.after(waitMs, () => {
    if (stream.generation !== generation || stream.finished) return;
    stream.retryTimer = null;
    startTry(stream);
    stream.context.scratch.flush();
  });
  return true;
}
