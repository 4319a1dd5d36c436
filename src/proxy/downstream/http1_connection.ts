import { TimeoutEntry, type TimeoutList } from "../../base/timeouts.ts";
import type { NetError, Socket, SocketHandler } from "../../base/world.ts";
import { TlsError } from "../../base/world.ts";
import {
  localResponseSize,
  responseHeadSize,
  writeLocalResponse,
  writeResponseHead,
} from "../../codec/http1/encoder.ts";
import { RequestDecoder, type RequestSink } from "../../codec/http1/request_decoder.ts";
import type { HeaderBlock } from "../../codec/headers.ts";
import type { CodecError, RequestHead, ResponseHead } from "../../codec/message.ts";
import type { ProxyContext } from "../context.ts";
import type { HttpListener } from "../listener/http_listener.ts";
import {
  processRequest,
  processRequestBody,
  processRequestEnd,
  processRequestTrailers,
} from "../process_request.ts";
import { abandonStream, failStream } from "../process_response.ts";
import { SocketWriter } from "../socket_writer.ts";
import { type Downstream, Stream } from "../stream.ts";
import { streamTimedOut } from "../tries.ts";
import { writeChunk, writeLastChunk } from "../upstream/http1_connection.ts";

/** How long a closing connection waits for the caller's own close, reading what still comes. */
export const LINGER_MS = 1000;

/** One HTTP/1.x connection of a caller: one stream after the other. */
export class Http1Downstream implements SocketHandler, RequestSink, Downstream {
  readonly #listener: HttpListener;
  readonly #context: ProxyContext;
  readonly #writer: SocketWriter;
  readonly #decoder: RequestDecoder;
  readonly #stream: Stream;
  readonly #timeout: TimeoutEntry;
  #socket: Socket;
  /** Between a request's head and the end of both request and answer. */
  #active = false;
  #requestDone = true;
  #responseDone = true;
  #keepAlive = true;
  /** The caller said that no request follows (RFC 9112, 9.6). */
  #isLast = false;
  #chunked = false;
  #trailers: HeaderBlock | null = null;
  #tunnel = false;
  /** Within `decoder.feed`: the decoder goes on by itself. */
  #feeding = false;
  #paused = false;
  /** The last answer is out or on its way: what still comes is dropped. */
  #closing = false;
  #ended = false;
  /** The head timeout runs. */
  #headStarted = false;
  /** What the socket had taken when its timeout was armed last. */
  #writtenBefore = 0;
  /** What had come of the request's body then, and whether we held the caller back since. */
  #receivedBefore = 0;
  #heldBack = false;

  constructor(listener: HttpListener, socket: Socket, context: ProxyContext) {
    this.#listener = listener;
    this.#socket = socket;
    this.#context = context;
    this.#writer = new SocketWriter(context.scratch);
    this.#writer.socket = socket;
    this.#decoder = new RequestDecoder(listener.config.policy, this);
    this.#stream = new Stream(context, this, this.#decoder.head, streamTimedOut);
    this.#timeout = new ConnectionTimeout(this);
  }

  onOpen(): void {
    const { tls } = this.#socket;
    if (tls !== null) {
      this.#stream.tls = tls;
      this.#listener.secured(tls);
    }
    this.#idleList.arm(this.#timeout);
  }

  get #idleList(): TimeoutList {
    return this.#context.timeouts.list(this.#listener.config.policy.idleTimeoutMs);
  }

  /** No request is in hand. */
  get isIdle(): boolean {
    return !this.#active && this.#decoder.isIdle;
  }

  // -------------------------------------------------------------- from the caller

  onData(bytes: Uint8Array): void {
    if (this.#closing) return;
    this.#feeding = true;
    const error = this.#decoder.feed(bytes);
    this.#feeding = false;
    this.#afterFeed(error);
    this.#context.scratch.flush();
  }

  #afterFeed(error: CodecError | null): void {
    if (this.#closing) return;
    if (error !== null) return this.#refuse(error);
    // Requests that do not wait for their turn are left to the kernel's window.
    if (this.#decoder.heldBytes !== 0) this.pauseRequest();
    else if (this.#active) {
      if (!this.#requestDone && this.#timeout.list === null) this.#watchBody();
    } else if (this.#decoder.isIdle) {
      if (this.#ended) this.#close();
    } else if (!this.#headStarted) {
      this.#headStarted = true;
      this.#context.timeouts.list(this.#listener.config.policy.headerTimeoutMs).arm(this.#timeout);
    }
  }

  onRequestHead(head: RequestHead): void {
    if (this.#timeout.list !== null) this.#timeout.disarm();
    this.#headStarted = false;
    this.#decoder.hold = true;
    this.#active = true;
    this.#requestDone = false;
    this.#responseDone = false;
    this.#trailers = null;
    this.#keepAlive = head.keepAlive;
    this.#isLast = !head.keepAlive;
    this.#stream.begin(this.#listener.config, this.#socket.remoteAddress);
    processRequest(this.#stream);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    processRequestBody(this.#stream, bytes, start, end);
  }

  onTrailers(trailers: HeaderBlock): void {
    processRequestTrailers(this.#stream, trailers);
  }

  onMessageEnd(): void {
    this.#requestDone = true;
    // An answer that the request's end brings about recycles by itself.
    const isAnswered = this.#responseDone;
    processRequestEnd(this.#stream);
    if (isAnswered) this.#recycle();
  }

  #refuse(error: CodecError): void {
    const { config } = this.#listener;
    config.counters.malformed++;
    const { sightings } = this.#context;
    sightings.refused("request", config.name, error, this.#active ? this.#stream : null);
    if (this.#active) {
      const stream = this.#stream;
      const isSilent = !stream.responseStarted && !stream.finished;
      // It counts as a request, and with the answer that it gets.
      if (isSilent) stream.status = error.status;
      abandonStream(stream, "DPE");
      if (!isSilent) return this.abort();
    } else {
      this.#context.accessLog.addMalformed(config.name, this.#socket.remoteAddress, error);
    }
    this.#sendClosing(error.status, `${error.text}\n`);
  }

  /** An answer to what never became a request; the connection ends with it. */
  #sendClosing(status: number, text: string): void {
    const body = new TextEncoder().encode(text);
    writeLocalResponse(this.#writer.begin(localResponseSize(PLAIN_TEXT, body)), status, PLAIN_TEXT, body, {
      minorVersion: 1,
      keepAlive: false,
      withoutBody: false,
    });
    this.#close();
  }

  onDrain(): void {
    if (this.#writer.drain()) {
      if (this.#closing) this.#finishClosing();
      else if (!this.#active) this.#nextRequest();
      else if (this.#tunnel && this.#responseDone) this.#socket.shutdown();
      else if (!this.#stream.responseHeld) this.#stream.connection?.resumeResponse();
    }
    this.#context.scratch.flush();
  }

  /** The caller sends no more; it may still read. */
  onEnd(): void {
    this.#ended = true;
    if (this.#closing) {
      if (!this.#writer.isBlocked) this.#socket.close();
    } else if (this.#tunnel) {
      processRequestEnd(this.#stream);
    } else {
      const error = this.#decoder.end();
      // Whole requests that wait for their turn still get their answers.
      if (this.#decoder.heldBytes === 0) this.#keepAlive = false;
      if (error !== null) this.#refuse(error);
      else if (!this.#active && !this.#keepAlive) this.#close();
    }
    this.#context.scratch.flush();
  }

  onClose(error: NetError | null): void {
    if (error instanceof TlsError) this.#listener.tlsFailed(error, this.#socket.remoteAddress);
    this.#timeout.disarm();
    this.#writer.detach();
    this.#closing = true;
    if (this.#active) {
      this.#active = false;
      abandonStream(this.#stream, "DC");
    }
    this.#listener.closed(this);
    this.#context.scratch.flush();
  }

  pauseRequest(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#heldBack = true;
    this.#socket.pause();
  }

  resumeRequest(): void {
    if (!this.#paused || this.#decoder.heldBytes !== 0) return;
    this.#paused = false;
    this.#socket.resume();
  }

  // -------------------------------------------------------------- to the caller

  sendInterim(head: ResponseHead): void {
    if (this.#stream.head.minorVersion === 0) return;
    writeResponseHead(this.#writer.begin(responseHeadSize(head)), head, 1, "none", true);
  }

  sendHead(head: ResponseHead): void {
    const { minorVersion } = this.#stream.head;
    let { framing } = head;
    if (framing === "chunked" || framing === "until-close") {
      framing = minorVersion === 1 ? "chunked" : "until-close";
    }
    if (framing === "until-close" || this.#listener.draining) this.#keepAlive = false;
    this.#chunked = framing === "chunked";
    const out = this.#writer.begin(responseHeadSize(head));
    writeResponseHead(out, head, minorVersion, framing, this.#keepAlive);
  }

  sendBody(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#chunked) writeChunk(this.#writer, bytes, start, end);
    else this.#writer.data(bytes, start, end);
    if (!this.#writer.isBlocked) return true;
    if (this.#timeout.list === null) this.#watchBody();
    return false;
  }

  get isBlocked(): boolean {
    return this.#writer.isBlocked;
  }

  sendTrailers(trailers: HeaderBlock): void {
    this.#trailers = trailers;
  }

  endResponse(): void {
    if (this.#chunked) {
      writeLastChunk(this.#writer, this.#trailers);
      this.#chunked = false;
    }
    this.#responseDone = true;
    this.#endExchange();
  }

  sendLocal(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): void {
    const { head } = this.#stream;
    // A body that nobody reads would be taken for the next request.
    if (!this.#requestDone && head.framing !== "none") this.#keepAlive = false;
    if (this.#listener.draining) this.#keepAlive = false;
    const out = this.#writer.begin(localResponseSize(headers, body));
    writeLocalResponse(out, status, headers, body, {
      minorVersion: head.minorVersion,
      keepAlive: this.#keepAlive,
      withoutBody: head.method === "HEAD",
    });
    this.#responseDone = true;
    this.#endExchange();
  }

  #endExchange(): void {
    if (this.#requestDone) this.#recycle();
    // Without a body the request's end is about to be told.
    else if (this.#stream.head.framing !== "none" || this.#tunnel) this.#close();
  }

  /** Request and answer are whole: the next request, or the end. */
  #recycle(): void {
    this.#active = false;
    // Within `feed` more requests may follow.
    const isLast = this.#ended && !this.#feeding && this.#decoder.heldBytes === 0;
    if (!this.#keepAlive || this.#tunnel || isLast || this.#listener.draining) {
      return this.#close();
    }
    this.#idleList.arm(this.#timeout);
    // A caller that does not read its answer gets no further one before it does.
    if (!this.#writer.isBlocked) this.#nextRequest();
  }

  #nextRequest(): void {
    this.#decoder.hold = false;
    if (this.#feeding) return;
    if (this.#decoder.heldBytes !== 0) {
      this.#feeding = true;
      const error = this.#decoder.resume();
      this.#feeding = false;
      this.#afterFeed(error);
      if (this.#closing) return;
    }
    this.resumeRequest();
  }

  abort(): void {
    this.#active = false;
    this.#closing = true;
    this.#socket.terminate();
  }

  becomeTunnel(): void {
    this.#tunnel = true;
    this.#requestDone = false;
    this.#chunked = false;
    this.#decoder.becomeRaw();
    if (!this.#feeding) this.#decoder.resume();
    this.resumeRequest();
    if (this.#ended) processRequestEnd(this.#stream);
  }

  endTunnelSide(): void {
    this.#responseDone = true;
    this.#context.scratch.flush();
    if (!this.#writer.isBlocked) this.#socket.shutdown();
  }

  // -------------------------------------------------------------- bodies that stand still

  /** A body is on its way. Looked at again after a while: bytes arm no timeout. */
  #watchBody(): void {
    this.#receivedBefore = this.#stream.requestBytes;
    this.#heldBack = this.#paused;
    this.#writtenBefore = this.#writer.written;
    const { bodyTimeoutMs } = this.#listener.config.policy;
    this.#context.timeouts.list(bodyTimeoutMs ?? 0).arm(this.#timeout);
  }

  #lookAtBody(): void {
    const { isBlocked, written } = this.#writer;
    const { responseStarted, requestBytes } = this.#stream;
    // Who has got a part of the answer may wait for the rest with its request open.
    const awaited = !this.#requestDone && !this.#tunnel && !responseStarted;
    if (isBlocked && written === this.#writtenBefore) failStream(this.#stream, "answer-not-read");
    else if (awaited && !this.#heldBack && requestBytes === this.#receivedBefore) {
      failStream(this.#stream, "request-body-timeout");
    } else if (isBlocked || awaited) this.#watchBody();
  }

  // -------------------------------------------------------------- closing

  /** Closes when all is written. */
  #close(): void {
    this.#active = false;
    this.#closing = true;
    this.#context.scratch.flush();
    if (!this.#writer.isBlocked) return this.#finishClosing();
    this.#writtenBefore = this.#writer.written;
    this.#idleList.arm(this.#timeout);
  }

  /**
   * FIN at once, but the socket stays until the caller closed too: closing with unread data would
   * reset the connection and may take the answer along (RFC 9112, 9.6).
   */
  #finishClosing(): void {
    if (this.#ended || this.#hasNothingMore) {
      this.#timeout.disarm();
      this.#socket.close();
      return;
    }
    this.#context.timeouts.list(LINGER_MS).arm(this.#timeout);
    this.#socket.shutdown();
    this.#paused = false;
    this.#socket.resume();
  }

  /** Its last request is whole: there is nothing unread that a close would answer with a reset. */
  get #hasNothingMore(): boolean {
    return this.#isLast && this.#requestDone && !this.#tunnel && this.#decoder.heldBytes === 0;
  }

  /** Ends an idle connection; a busy one ends with its answer. */
  drain(): void {
    if (this.isIdle && !this.#closing) this.#close();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  expire(): void {
    const { written, isBlocked } = this.#writer;
    if (this.#closing) {
      // A slow reader gets its answer as long as it goes on reading.
      if (isBlocked && written !== this.#writtenBefore) {
        this.#writtenBefore = written;
        this.#idleList.arm(this.#timeout);
      } else this.#socket.terminate();
    } else if (this.#active) this.#lookAtBody();
    else if (this.#decoder.isIdle || this.#decoder.hold) this.#close();
    else this.#sendClosing(408, "the request's head did not arrive in time\n");
    this.#context.scratch.flush();
  }
}

const PLAIN_TEXT: Readonly<Record<string, string>> = { "content-type": "text/plain" };

class ConnectionTimeout extends TimeoutEntry {
  constructor(readonly connection: Http1Downstream) {
    super();
  }

  override onTimeout(): void {
    this.connection.expire();
  }
}
