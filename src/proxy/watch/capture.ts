import { allowedTarget, type CapturedRequest, type CaptureOrder } from "../../api/capture.ts";
import type { CapturedHeaders, SentRequest } from "../../api/capture.ts";
import type { Clock, Random, Timer } from "../../base/world.ts";
import type { HeaderBlock } from "../../codec/headers.ts";
import type { RequestHead, ResponseHead } from "../../codec/message.ts";
import type { FailureCode } from "../errors.ts";
import type { AnswerHeaders } from "../filters/filter.ts";
import { normalizePath } from "../route/normalize_path.ts";
import type { Stream } from "../stream.ts";
import { RateBound } from "./rate_bound.ts";
import { pathFilter } from "./tap.ts";
import type { RequestWatch, Watcher } from "./watch.ts";

/** Further ones are counted as lost. */
export const MAX_CAPTURED_PER_SECOND = 1_000;
/** Requests that are under way and captured at once. */
const MAX_IN_FLIGHT = 1_024;
/** Of what is kept of one request, about; a longer one is lost whole: a part would be another. */
const MAX_REQUEST_BYTES = 16_384;
/** Records travel together. */
const BATCH_MS = 50;

/** Takes what was captured, in order, and how many more were sampled and are lost. */
export type CaptureTaker = (requests: readonly CapturedRequest[], lost: number) => void;

export interface CaptureTools {
  readonly clock: Clock;
  readonly random: Random;
  /** Of the Snapshot in force. */
  readonly version: () => string;
}

/** Keeps a part of the requests that match while it is among the proxy's watchers. */
export class Capture implements Watcher {
  readonly #order: CaptureOrder;
  readonly #tools: CaptureTools;
  readonly #take: CaptureTaker;
  readonly #pathFits: ((path: string) => boolean) | null;
  readonly #rate: RateBound;
  readonly headers: ReadonlySet<string>;
  readonly query: ReadonlySet<string>;
  #batch: CapturedRequest[] = [];
  #lost = 0;
  #inFlight = 0;
  #timer: Timer | null = null;
  #ended = false;

  constructor(order: CaptureOrder, tools: CaptureTools, take: CaptureTaker) {
    this.#order = order;
    this.#tools = tools;
    this.#take = take;
    this.#pathFits = order.path === null ? null : pathFilter(order.path);
    this.#rate = new RateBound(tools.clock, MAX_CAPTURED_PER_SECOND);
    this.headers = new Set(order.headers);
    this.query = new Set(order.query);
  }

  begin(stream: Stream): RequestWatch | null {
    if (stream.isMirror || !this.#wants(stream.head)) return null;
    const { ratio } = this.#order;
    if (ratio < 1 && this.#tools.random.next() >= ratio) return null;
    if (this.#inFlight === MAX_IN_FLIGHT || !this.#rate.passes()) {
      this.lose();
      return null;
    }
    this.#inFlight++;
    return new CapturedStream(this, stream, this.#tools.version());
  }

  #wants(head: RequestHead): boolean {
    const { methods } = this.#order;
    if (methods.length !== 0 && !methods.includes(head.method)) return false;
    if (this.#pathFits === null) return true;
    const path = head.unusualPath ? normalizePath(head.path) : head.path;
    return path !== null && this.#pathFits(path);
  }

  get wallMs(): number {
    return this.#tools.clock.wallMs();
  }

  /** A request under way has ended; null: it was too long. */
  finish(request: CapturedRequest | null): void {
    this.#inFlight--;
    if (request === null) return this.lose();
    this.#batch.push(request);
    this.#schedule();
  }

  lose(): void {
    this.#lost++;
    this.#schedule();
  }

  #schedule(): void {
    if (!this.#ended) this.#timer ??= this.#tools.clock.after(BATCH_MS, () => this.#flush());
  }

  /** What has not been handed on yet is handed on. */
  end(): void {
    this.#flush();
    this.#ended = true;
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const [requests, lost] = [this.#batch, this.#lost];
    this.#batch = [];
    this.#lost = 0;
    if (!this.#ended && (requests.length !== 0 || lost !== 0)) this.#take(requests, lost);
  }
}

class CapturedStream implements RequestWatch {
  readonly #capture: Capture;
  readonly #version: string;
  readonly #asked: SentRequest;
  #sent: SentRequest | null = null;
  #answerHeaders: CapturedHeaders = {};
  #bytes = 0;

  constructor(capture: Capture, stream: Stream, version: string) {
    this.#capture = capture;
    this.#version = version;
    this.#asked = this.#headOf(stream.head);
  }

  #headOf(head: RequestHead): SentRequest {
    const target = allowedTarget(head.target, this.#capture.query);
    this.#bytes += target.length + head.host.length;
    return { host: head.host, target, headers: this.#allowed(head.headers) };
  }

  #allowed(block: HeaderBlock): CapturedHeaders {
    const allowed: Record<string, string> = {};
    block.forEach((name, value) => this.#add(allowed, name, value));
    return allowed;
  }

  #add(allowed: Record<string, string>, name: string, value: string): void {
    const lower = name.toLowerCase();
    if (!this.#capture.headers.has(lower)) return;
    const kept = lower === "location" ? allowedLocation(value, this.#capture.query) : value;
    const before = allowed[lower];
    allowed[lower] = before === undefined ? kept : `${before}, ${kept}`;
    this.#bytes += lower.length + kept.length;
  }

  onTry(stream: Stream): void {
    this.#sent ??= this.#headOf(stream.head);
  }

  onTryEnd(_stream: Stream, _status: number, _failure: FailureCode | null): void {}

  onAnswer(_stream: Stream, { headers }: ResponseHead): void {
    this.#answerHeaders = this.#allowed(headers);
  }

  onLocalAnswer(_stream: Stream, headers: AnswerHeaders): void {
    const allowed: Record<string, string> = {};
    for (const name in headers) this.#add(allowed, name, headers[name]!);
    this.#answerHeaders = allowed;
  }

  onTrailers(_stream: Stream, _trailers: HeaderBlock): void {}

  onComplete(stream: Stream, nowMs: number): void {
    if (this.#bytes > MAX_REQUEST_BYTES) return this.#capture.finish(null);
    const { route, cluster } = stream;
    this.#capture.finish({
      timeMs: this.#capture.wallMs - (nowMs - stream.startedMs),
      version: this.#version,
      listener: stream.listenerName,
      method: stream.head.method,
      ...this.#asked,
      bodyBytes: stream.requestBytes,
      peer: stream.remoteAddress,
      tls: stream.tls !== null,
      route: route === null ? null : route.name,
      cluster: cluster === null ? null : cluster.name,
      sent: this.#sent,
      status: stream.status,
      flags: stream.flags,
      detail: stream.detail,
      answerHeaders: this.#answerHeaders,
    });
  }
}

/** Logins send codes and tokens by it: in its query, behind a `#`, or before an `@`. */
function allowedLocation(location: string, query: ReadonlySet<string>): string {
  const [whole = ""] = location.split("#", 1);
  return allowedTarget(whole.replace(/^([^/?]*\/\/)[^/?]*@/, "$1"), query);
}
