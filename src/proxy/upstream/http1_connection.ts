import { TimeoutEntry } from "../../base/timeouts.ts";
import type { Dial, DialHandler, NetError, Socket } from "../../base/world.ts";
import { TlsError } from "../../base/world.ts";
import { CHUNK_SLACK, LAST_CHUNK, requestHeadSize, writeRequestHead } from "../../codec/http1/encoder.ts";
import { ResponseDecoder, type ResponseSink } from "../../codec/http1/response_decoder.ts";
import type { HeaderBlock } from "../../codec/headers.ts";
import type { Repair } from "../../codec/http1/repair.ts";
import { CodecError, type ResponseHead } from "../../codec/message.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { ClusterTls } from "../cluster/cluster_tls.ts";
import type { Endpoint } from "../cluster/endpoint.ts";
import { isIdempotent } from "../cluster/retry.ts";
import type { ProxyContext } from "../context.ts";
import type { FailureCode } from "../errors.ts";
import {
  filterWholeResponse,
  processResponseBody,
  processResponseEnd,
  processResponseTrailers,
} from "../process_response.ts";
import { SocketWriter } from "../socket_writer.ts";
import type { Stream } from "../stream.ts";
import { increment } from "../telemetry/counters.ts";
import { tryAnswered, tryFailed } from "../tries.ts";

/** An upstream's head is bounded as Envoy bounds it. */
export const ANSWER_LIMITS = { maxHeaderBytes: 64 * 1024, maxHeaders: 200 };
/** The rest of an answer that nobody wants is read up to this, so that its connection lives on. */
export const MAX_DISCARD_BYTES = 64 * 1024;
/** ... and for so long. */
export const MAX_DISCARD_MS = 1000;
/**
 * From this size a read's buffer is freed once it is passed on: left to the collector such buffers
 * pile up faster than it runs (64 KB answers at full speed: 103 MB resident, so 72), and a fresh
 * one costs the kernel's page faults. Below it, freeing (0.3 us) costs more than it saves.
 */
const FREE_AT_ONCE_BYTES = 32 * 1024;
/** Interim answers to one request: none that means well sends more. */
export const MAX_INTERIM = 16;
const TOO_MANY_INTERIM = new CodecError("unexpected-data", `more than ${MAX_INTERIM} interim answers`);
const UNASKED_UPGRADE = new CodecError("unexpected-data", "a switch of protocols nobody asked for");

/** One HTTP/1.1 connection to an endpoint: one request at a time. */
export class Http1Upstream implements DialHandler, ResponseSink {
  readonly endpoint: Endpoint;
  /** By which it was dialled. */
  readonly tls: ClusterTls | null;
  /** While dialling the connect timeout, while idle the idle timeout. */
  readonly timeout: TimeoutEntry;
  readonly #cluster: Cluster;
  readonly #context: ProxyContext;
  readonly #writer: SocketWriter;
  readonly #decoder = new ResponseDecoder(ANSWER_LIMITS, this);
  #socket: Socket | null = null;
  #dial: Dial | null = null;
  #stream: Stream | null = null;
  #chunked = false;
  #tunnel = false;
  #requestDone = true;
  #responseDone = true;
  #keepAlive = true;
  #discarding = false;
  #discarded = 0;
  #paused = false;
  #gone = false;
  /** Requests sent on it so far. */
  #served = 0;
  /** Bytes of the answer in hand arrived. */
  #heard = false;
  #interim = 0;
  /** The endpoint's FIN came. */
  #ended = false;

  constructor(cluster: Cluster, endpoint: Endpoint, context: ProxyContext) {
    this.#cluster = cluster;
    this.endpoint = endpoint;
    this.tls = cluster.tls;
    this.#context = context;
    this.#writer = new SocketWriter(context.scratch);
    this.timeout = new ConnectionTimeout(this);
  }

  // -------------------------------------------------------------- connecting

  dial(stream: Stream): void {
    this.#stream = stream;
    stream.dialing = this;
    this.#context.timeouts.list(this.#cluster.policy.connectTimeoutMs).arm(this.timeout);
    const { address, port } = this.endpoint;
    const to = { host: address, port };
    const { net } = this.#context;
    // Without TLS no third argument: this is what nearly all do.
    this.#dial =
      this.tls === null
        ? net.connect(to, this)
        : net.connect(to, this, this.tls.optionsFor(this.endpoint));
  }

  /** The stream gave up; the connection is kept for another when it opens. */
  abandonDial(): void {
    this.#stream = null;
  }

  onOpen(socket: Socket): void {
    this.#dial = null;
    this.#socket = socket;
    this.#writer.socket = socket;
    if (this.tls !== null) this.tls.opened(socket.tls!);
    this.timeout.disarm();
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null) this.#cluster.release(this);
    else {
      stream.dialing = null;
      this.#cluster.opened(this, stream);
    }
    this.#context.scratch.flush();
  }

  onConnectError(error: NetError): void {
    if (error instanceof TlsError) {
      this.tls?.failed(error);
      this.#failDial("tls-failure");
    } else this.#failDial("connect-failure");
    this.#context.scratch.flush();
  }

  #failDial(code: FailureCode): void {
    this.#dial = null;
    this.timeout.disarm();
    const stream = this.#stream;
    this.#stream = null;
    this.#gone = true;
    this.#cluster.closed(this);
    if (stream === null) return;
    stream.dialing = null;
    tryFailed(stream, code);
  }

  /** Not connected in time, or idle for too long. */
  expire(): void {
    if (this.#socket === null) {
      this.#dial?.abort();
      this.#failDial("connect-timeout");
    } else this.close();
    this.#context.scratch.flush();
  }

  // -------------------------------------------------------------- the request

  send(stream: Stream): void {
    if (this.timeout.list !== null) this.timeout.disarm();
    this.#stream = stream;
    stream.connection = this;
    const { head } = stream;
    this.#served++;
    this.#heard = false;
    this.#interim = 0;
    this.#requestDone = false;
    this.#responseDone = false;
    this.#keepAlive = true;
    this.#chunked = head.framing === "chunked";
    this.#decoder.expect(head.method);
    this.#decoder.hold = false;
    writeRequestHead(this.#writer.begin(requestHeadSize(head)), head);
    const { bodyParts } = stream;
    for (const { bytes, start, end } of bodyParts) this.#writeBody(bytes, start, end);
    const keeps = stream.bodyKeptBytes <= (stream.route!.retry?.maxBodyBytes ?? 0);
    if (bodyParts.length !== 0 && !keeps) {
      bodyParts.length = 0;
      stream.bodyIsWhole = false;
    }
    if (stream.requestEnded) this.endRequest(stream.trailers);
    else if (head.framing !== "none" && !this.#writer.isBlocked) stream.downstream.resumeRequest();
  }

  /** False while the upstream reads slower than the caller sends. */
  sendBody(bytes: Uint8Array, start: number, end: number): boolean {
    this.#writeBody(bytes, start, end);
    return !this.#writer.isBlocked;
  }

  #writeBody(bytes: Uint8Array, start: number, end: number): void {
    this.#cluster.counters.sentBytes += end - start;
    if (!this.#chunked || this.#tunnel) return this.#writer.data(bytes, start, end);
    writeChunk(this.#writer, bytes, start, end);
  }

  endRequest(trailers: HeaderBlock | null): void {
    if (this.#tunnel) {
      this.#endTunnelSide();
      return;
    }
    if (this.#chunked) writeLastChunk(this.#writer, trailers);
    this.#requestDone = true;
  }

  #endTunnelSide(): void {
    this.#requestDone = true;
    this.#context.scratch.flush();
    if (!this.#writer.isBlocked) this.#shutdown();
  }

  /** The caller's side of the tunnel is written whole. */
  #shutdown(): void {
    if (this.#ended) this.#endTunnel();
    else this.#socket?.shutdown();
  }

  /** Both sides of the tunnel ended. */
  #endTunnel(): void {
    this.#responseDone = true;
    this.#finishAnswer();
  }

  becomeTunnel(): void {
    this.#tunnel = true;
    this.#keepAlive = false;
    this.#requestDone = false;
    this.#decoder.becomeRaw();
    // What came behind the head while a filter held it.
    this.#decoder.resume();
  }

  pauseResponse(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  resumeResponse(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket?.resume();
  }

  /** The answer in hand is not wanted: its rest is read and dropped, within a bound. */
  discardResponse(): void {
    const stream = this.#stream!;
    stream.connection = null;
    this.#stream = null;
    this.#discarding = true;
    this.#discarded = 0;
    this.resumeResponse();
    if (!this.#requestDone) this.terminate();
    else this.#context.timeouts.list(MAX_DISCARD_MS).arm(this.timeout);
  }

  /** The stream ended before its answer did: the connection is of no use any more. */
  cancel(): void {
    this.#stream = null;
    this.terminate();
  }

  // -------------------------------------------------------------- the answer

  onData(bytes: Uint8Array): void {
    if (this.#stream === null && !this.#discarding) {
      // An idle connection has nothing to say: whatever it is, no request asked for it.
      this.terminate();
      return;
    }
    this.#heard = true;
    const stream = this.#stream;
    const { scratch } = this.#context;
    const passedBefore = scratch.passedBytes;
    const bodyBefore = stream === null ? 0 : stream.responseBytes;
    const error = this.#decoder.feed(bytes);
    let mayFree = false;
    if (bytes.length >= FREE_AT_ONCE_BYTES && stream !== null && stream === this.#stream) {
      const passed = scratch.passedBytes - passedBefore;
      // All of it is body, or the rest is the head of an answer that ends here too.
      const isAll = passed === bytes.length || (this.#responseDone && this.#decoder.heldBytes === 0);
      mayFree = isAll && passed === stream.responseBytes - bodyBefore && goesStraight(stream);
    }
    if (error !== null) this.#refuse(error);
    // Not before `feed` is through: only then is it known whether bytes follow that nobody asked for.
    else if (this.#responseDone) this.#finishAnswer();
    scratch.flush();
    if (mayFree) (bytes.buffer as ArrayBuffer).transfer(0);
  }

  /** Asked only where an answer's head is malformed. */
  get repairsHeads(): boolean {
    return this.#cluster.policy.responseValidation === "tolerant";
  }

  onRepaired(repairs: readonly Repair[]): void {
    const { name, counters } = this.#cluster;
    for (const { kind } of repairs) increment(counters.malformed.repaired, kind);
    this.#context.sightings.repaired(name, repairs, this.#stream);
  }

  /** What came is no answer that could be passed on. */
  #refuse(error: CodecError): void {
    const { name, counters } = this.#cluster;
    increment(counters.malformed.refused, error.code);
    this.#context.sightings.refused("response", name, error, this.#stream);
    if (this.#stream !== null) this.#stream.malformed = error;
    this.#fail("malformed-response");
  }

  onResponseHead(head: ResponseHead): void {
    const stream = this.#stream;
    if (stream === null) return;
    if (head.status < 200 && head.status !== 101) {
      if (++this.#interim > MAX_INTERIM) this.#refuse(TOO_MANY_INTERIM);
      else stream.downstream.sendInterim(head);
      return;
    }
    if (head.status === 101 && !(stream.head.upgrade && this.#requestDone)) {
      this.#refuse(UNASKED_UPGRADE);
      return;
    }
    this.#decoder.hold = true;
    this.#keepAlive = head.keepAlive;
    tryAnswered(stream, head);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    this.#cluster.counters.receivedBytes += end - start;
    const stream = this.#stream;
    if (stream !== null) return processResponseBody(stream, bytes, start, end);
    this.#discarded += end - start;
    if (this.#discarded > MAX_DISCARD_BYTES) this.terminate();
  }

  onTrailers(trailers: HeaderBlock): void {
    if (this.#stream !== null) processResponseTrailers(this.#stream, trailers);
  }

  onMessageEnd(): void {
    if (!this.#decoder.hold) return; // an interim response
    if (this.#decoder.head.status === 101) return; // held by a filter: the tunnel is yet to start
    this.#responseDone = true;
  }

  /** The answer is whole, or both sides of a tunnel are. */
  #finishAnswer(): void {
    const stream = this.#stream;
    if (stream !== null && stream.wholeResponse !== null && !stream.responseHeld) {
      filterWholeResponse(stream, this.#decoder.head);
      // It failed, and this connection is let go.
      if (this.#stream !== stream) return;
    }
    if (stream !== null && stream.responseHeld) {
      // Its head lies in this connection's decoder: no other exchange before it is on its way.
      stream.heldResponse.push(() => this.#finishAnswer());
      return;
    }
    this.#stream = null;
    this.#discarding = false;
    if (stream !== null) stream.connection = null;
    this.#settle();
    if (stream !== null) processResponseEnd(stream);
  }

  /** The exchange is over: to the pool, or away. */
  #settle(): void {
    if (this.#gone) return;
    this.resumeResponse();
    const isClean = this.#decoder.heldBytes === 0 && !this.#ended;
    const reusable = this.#keepAlive && this.#requestDone && isClean;
    if (reusable) this.#cluster.release(this);
    else if (this.#requestDone) this.close();
    else this.terminate();
  }

  onDrain(): void {
    if (this.#writer.drain()) {
      if (this.#tunnel && this.#requestDone) this.#shutdown();
      const stream = this.#stream;
      if (stream !== null && !this.#requestDone) stream.downstream.resumeRequest();
    }
    this.#context.scratch.flush();
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#tunnel) {
      // The caller may still send: the tunnel ends when both have ended.
      if (this.#requestDone && !this.#writer.isBlocked) this.#endTunnel();
      else this.#stream?.downstream.endTunnelSide();
    } else if (this.#stream === null && !this.#discarding) this.close();
    else if (!this.#responseDone) {
      // It may be the end that a body without a length waits for.
      if (this.#decoder.end() !== null || !this.#responseDone) this.#fail("reset");
      else this.#finishAnswer();
    }
    this.#context.scratch.flush();
  }

  onClose(error: NetError | null): void {
    this.#writer.detach();
    if (error instanceof TlsError) this.tls?.failed(error);
    if (!this.#responseDone) {
      // Under TLS 1.3 a callee that does not take our certificate says so after the handshake.
      const isRefused = error instanceof TlsError && error.reason === "refused-by-peer";
      this.#fail(isRefused && !this.#heard ? "tls-failure" : "reset");
    }
    this.#forget();
    this.#context.scratch.flush();
  }

  /** What is in hand fails; the connection goes. */
  #fail(code: FailureCode): void {
    const stream = this.#stream;
    // An idle connection may have been closed while the request was on its way (RFC 9112, 9.3.1).
    const isStale = code === "reset" && !this.#heard && this.#served > 1;
    this.#stream = null;
    this.#discarding = false;
    this.#responseDone = true;
    if (stream === null) return this.terminate();
    stream.connection = null;
    const mayResend = isStale && stream.bodyIsWhole && isIdempotent(stream.head.method);
    if (mayResend && !this.endpoint.removed && !this.endpoint.isOut) {
      this.#cluster.reconnect(stream, this);
      return this.terminate();
    }
    this.terminate();
    tryFailed(stream, code);
  }

  // -------------------------------------------------------------- closing

  /** An orderly end of an idle connection. */
  close(): void {
    this.#socket?.close();
    this.#forget();
  }

  terminate(): void {
    if (this.#dial !== null) {
      this.#dial.abort();
      this.#dial = null;
    }
    this.#writer.detach();
    this.#socket?.terminate();
    this.#forget();
  }

  #forget(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#socket = null;
    this.timeout.disarm();
    this.#cluster.closed(this);
  }
}

/** The body of its answer goes to the caller as it is: nobody else looks at it or keeps it. */
function goesStraight(stream: Stream): boolean {
  if (stream.capture !== null || stream.responseHeld || stream.wholeResponse !== null) return false;
  return stream.route!.chain.responseBody.length === 0;
}

class ConnectionTimeout extends TimeoutEntry {
  constructor(readonly connection: Http1Upstream) {
    super();
  }

  override onTimeout(): void {
    this.connection.expire();
  }
}

/** One chunk (RFC 9112, 7.1). */
export function writeChunk(
  writer: SocketWriter,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const out = writer.begin(CHUNK_SLACK);
  out.hexadecimal(end - start);
  out.text("\r\n");
  writer.data(bytes, start, end);
  writer.begin(CHUNK_SLACK).text("\r\n");
}

export function writeLastChunk(writer: SocketWriter, trailers: HeaderBlock | null): void {
  if (trailers === null) {
    writer.begin(CHUNK_SLACK).text(LAST_CHUNK);
    return;
  }
  const out = writer.begin(CHUNK_SLACK + trailers.byteLength);
  out.text("0\r\n");
  trailers.write(out, 0);
  out.text("\r\n");
}
