import { TimeoutEntry } from "../base/timeouts.ts";
import type { Timer, TlsState } from "../base/world.ts";
import type { HeaderBlock } from "../codec/headers.ts";
import type { CodecError, RequestHead, ResponseHead } from "../codec/message.ts";
import { latin1 } from "../codec/ascii.ts";
import { ALL_FORMATS, TraceContext } from "../codec/trace_context.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Endpoint } from "./cluster/endpoint.ts";
import type { ProxyContext } from "./context.ts";
import type { ListenerConfig } from "./listener/config.ts";
import type { Capture } from "./route/last_good.ts";
import type { MirroredRequest } from "./mirror.ts";
import type { Pace } from "./pace.ts";
import type { Route } from "./route/route.ts";
import type { WholeBody } from "./whole_body.ts";
import type { Http1Upstream } from "./upstream/http1_connection.ts";
import type { Filter } from "./filters/filter.ts";
import type { TryRecord } from "../api/request_record.ts";
import type { RequestWatch } from "./watch/watch.ts";

/** What a stream asks of the connection that its request came by, whatever HTTP version that is. */
export interface Downstream {
  sendInterim(head: ResponseHead): void;
  sendHead(head: ResponseHead): void;
  /** False when the caller reads slower than we send; `onDownstreamWritable` follows. */
  sendBody(bytes: Uint8Array, start: number, end: number): boolean;
  /** The caller reads slower than we send. */
  readonly isBlocked: boolean;
  sendTrailers(trailers: HeaderBlock): void;
  endResponse(): void;
  /** A whole answer made here. */
  sendLocal(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): void;
  /** The answer cannot be completed: the caller must notice. */
  abort(): void;
  pauseRequest(): void;
  resumeRequest(): void;
  /** From here on bytes go both ways as they come (RFC 9110, 7.8). */
  becomeTunnel(): void;
  /** The other end of the tunnel sends no more. */
  endTunnelSide(): void;
}

/** A slice of a body. */
export interface BodyPart {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * One request and its answer, on the way through the phases. HTTP/1.1 has one a connection, used
 * again for each request; everything here is plain state, what happens to it stands in
 * `process_request.ts`, `tries.ts` and `process_response.ts`.
 */
export class Stream {
  readonly context: ProxyContext;
  readonly downstream: Downstream;
  readonly head: RequestHead;
  config!: ListenerConfig;
  remoteAddress = "";
  /** Of the caller's connection; null where it came without TLS. */
  tls: TlsState | null = null;

  route: Route | null = null;
  cluster: Cluster | null = null;
  endpoint: Endpoint | null = null;
  /** `endpoint` counts the try in hand as active. */
  endpointIsBusy = false;
  /** Set from the moment a try's head is sent until its answer is whole. */
  connection: Http1Upstream | null = null;
  /** The connection that is being made for the try in hand. */
  dialing: Http1Upstream | null = null;
  /** The breaker's pass of the try in hand; 0 is none. */
  breakerPass = 0;
  /** A try has been handed to the cluster, and its outcome is not known yet. */
  tryOpen = false;
  /** The try in hand counts against the retry budget. */
  tryIsRetry = false;
  retryTimer: Timer | null = null;

  /** Request body that is kept: not sent yet, or for the next try. */
  readonly bodyParts: BodyPart[] = [];
  bodyKeptBytes = 0;
  /** The body so far is in `bodyParts` whole, so that another try can send it. */
  bodyIsWhole = true;
  trailers: HeaderBlock | null = null;
  requestEnded = false;
  responseStarted = false;
  /** The answer in hand, on its way into the route's store. */
  capture: Capture | null = null;
  /** While a body is gathered for filters that want it whole; its head has not been sent. */
  wholeRequest: WholeBody | null = null;
  wholeResponse: WholeBody | null = null;
  /** Gathers the body for a copy of this request. */
  mirrored: MirroredRequest | null = null;
  /** Someone looks on. */
  watch: RequestWatch | null = null;
  /** It is such a copy. */
  isMirror = false;
  /** Lets the answer's body out at a rate. */
  pace: Pace | null = null;
  finished = true;
  tunnel = false;
  /** A filter's promise holds the request, the answer. */
  requestHeld = false;
  responseHeld = false;
  /** What came while it was held, in order. */
  readonly heldRequest: (() => void)[] = [];
  readonly heldResponse: (() => void)[] = [];
  /** Differs for each request: a promise that settles late finds another number. */
  generation = 0;

  startedMs = 0;
  tryStartedMs = 0;
  /** The answer's status; 0 as long as there is none. */
  status = 0;
  /** Envoy's response flags, joined by commas. */
  flags = "";
  /** What was wrong with the answer; looked at where the failure is `malformed-response`. */
  malformed: CodecError | null = null;
  /** The reason in words: `via_upstream` or a failure code. */
  detail = "";
  tries = 0;
  /** Tries without a good answer; null as long as there is none. */
  failedTries: TryRecord[] | null = null;
  /** The filter that answered or failed; null where none did. */
  answeredBy: Filter | null = null;
  retries = 0;
  requestBytes = 0;
  responseBytes = 0;
  /** The trace context that the request came with or was given; null where nobody looked. */
  trace: TraceContext | null = null;
  /** Used by one request after the other: values of headers may point into it. */
  #spareTrace: TraceContext | null = null;
  /** Its trace is kept somewhere: `traceId` leads there, and may stand as an example in metrics. */
  isSampled = false;
  readonly requestIdBytes = new Uint8Array(36);
  hasRequestIdBytes = false;
  #requestId: string | null = null;

  readonly requestTimeout: StreamTimeout;
  readonly tryTimeout: StreamTimeout;
  readonly idleTimeout: StreamTimeout;

  constructor(
    context: ProxyContext,
    downstream: Downstream,
    head: RequestHead,
    onTimeout: (stream: Stream, which: StreamTimeoutKind) => void,
  ) {
    this.context = context;
    this.downstream = downstream;
    this.head = head;
    this.requestTimeout = new StreamTimeout(this, "request", onTimeout);
    this.tryTimeout = new StreamTimeout(this, "try", onTimeout);
    this.idleTimeout = new StreamTimeout(this, "idle", onTimeout);
  }

  /** A new request: `head` has been filled. */
  begin(config: ListenerConfig, remoteAddress: string): void {
    this.config = config;
    this.remoteAddress = remoteAddress;
    this.route = null;
    this.cluster = null;
    this.endpoint = null;
    this.connection = null;
    this.breakerPass = 0;
    this.tryOpen = false;
    this.tryIsRetry = false;
    this.endpointIsBusy = false;
    this.dialing = null;
    if (this.bodyParts.length !== 0) this.bodyParts.length = 0;
    this.bodyKeptBytes = 0;
    this.bodyIsWhole = true;
    this.watch = null;
    this.trailers = null;
    this.requestEnded = false;
    this.responseStarted = false;
    this.finished = false;
    this.tunnel = false;
    this.requestHeld = false;
    this.responseHeld = false;
    this.generation++;
    this.startedMs = this.context.clock.now();
    this.status = 0;
    this.flags = "";
    this.detail = "";
    this.malformed = null;
    this.tries = 0;
    if (this.failedTries !== null) this.failedTries = null;
    if (this.answeredBy !== null) this.answeredBy = null;
    this.retries = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.trace = null;
    this.isSampled = false;
    this.hasRequestIdBytes = false;
    this.#requestId = null;
  }

  /** Reads the request's trace context, in all notations; a malformed one is removed. */
  readTrace(): TraceContext {
    const trace = (this.#spareTrace ??= new TraceContext());
    trace.read(this.head.headers, ALL_FORMATS);
    this.trace = trace;
    return trace;
  }

  get traceId(): string | null {
    return this.trace !== null && this.trace.hasIds ? this.trace.traceId : null;
  }

  get listenerName(): string {
    return this.config.name;
  }

  /** The request's id, or null where no filter gave one. */
  get requestId(): string | null {
    if (this.#requestId === null && this.hasRequestIdBytes) {
      this.#requestId = latin1(this.requestIdBytes, 0, this.requestIdBytes.length);
    }
    return this.#requestId;
  }

  set requestId(id: string | null) {
    this.#requestId = id;
  }

  get upstreamHost(): string {
    return this.endpoint === null ? "-" : this.endpoint.key;
  }

  addFlag(flag: string): void {
    if (this.flags === "") this.flags = flag;
    else if (!this.flags.split(",").includes(flag)) this.flags = `${this.flags},${flag}`;
  }

  /** Some byte passed: the idle time starts anew. */
  touch(): void {
    if (this.idleTimeout.list !== null) this.idleTimeout.list.arm(this.idleTimeout);
  }
}

export type StreamTimeoutKind = "request" | "try" | "idle";

class StreamTimeout extends TimeoutEntry {
  constructor(
    readonly stream: Stream,
    readonly kind: StreamTimeoutKind,
    readonly expired: (stream: Stream, kind: StreamTimeoutKind) => void,
  ) {
    super();
  }

  override onTimeout(): void {
    this.expired(this.stream, this.kind);
    this.stream.context.scratch.flush();
  }
}
