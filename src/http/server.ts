import type {
  Listener,
  Socket,
  SocketAddress,
  SocketHandler,
  Timer,
  TlsServerOptions,
  World,
} from "../base/world.ts";
import { TlsError } from "../base/world.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { localResponseSize, writeLocalResponse } from "../codec/http1/encoder.ts";
import { RequestDecoder, type RequestSink } from "../codec/http1/request_decoder.ts";
import type { RequestHead } from "../codec/message.ts";
import { ByteSender } from "./byte_sender.ts";
import { BodyBuffer, copyHeaders, type Headers } from "./headers.ts";

export interface ServerRequest {
  readonly method: string;
  readonly path: string;
  /** Decoded; a name's last value counts. */
  readonly query: ReadonlyMap<string, string>;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface ServerAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /**
   * A body that comes over time (server-sent events, followed logs), instead of `body`. Returns
   * what to do when the reader has gone or the stream was ended.
   */
  readonly stream?: (writer: StreamWriter) => () => void;
}

export interface StreamWriter {
  /** False where the reader is gone, or too slow: the connection is then dropped. */
  write(data: string | Uint8Array): boolean;
  /** What the reader has not taken yet. */
  readonly queuedBytes: number;
  end(): void;
}

export interface HttpServerOptions {
  readonly address: SocketAddress;
  /** Permission bits of a unix socket. */
  readonly mode?: number;
  /** Answers also where the process has no room for other callers. */
  readonly isUrgent?: boolean;
  /** Not on a unix socket; `setTls` renews it. */
  readonly tls?: TlsServerOptions;
  /** A handshake failed: a caller without the right certificate, or one that spoke no TLS. */
  readonly onTlsError?: (error: TlsError) => void;
  /** A thrown error is answered 500. */
  readonly handle: (request: ServerRequest) => ServerAnswer | Promise<ServerAnswer>;
  readonly maxConnections?: number;
  readonly maxHeaderBytes?: number;
  readonly maxBodyBytes?: number;
  /** From one answer (or the start) until the next request is whole. */
  readonly readTimeoutMs?: number;
}

const DEFAULTS = {
  maxConnections: 256,
  maxHeaderBytes: 16_384,
  maxBodyBytes: 16 * 1024 * 1024,
  readTimeoutMs: 30_000,
};

/** What a slow reader may leave unread of a stream. */
const MAX_STREAM_BYTES = 1024 * 1024;
/** Pipelined requests that wait while one is answered. */
const MAX_HELD_BYTES = 256 * 1024;
/** A reader that takes nothing of an answer for so long is dropped. */
const WRITE_TIMEOUT_MS = 30_000;
const NO_BYTES = new Uint8Array(0);

type Settings = Required<
  Omit<HttpServerOptions, "address" | "mode" | "isUrgent" | "tls" | "onTlsError">
>;

/** A small HTTP/1.1 server for admin and console traffic: whole requests in, one answer each. */
export class HttpServer {
  readonly #world: World;
  readonly #options: HttpServerOptions;
  readonly #connections = new Set<Connection>();
  #listener: Listener | null = null;
  #settings: Settings;

  constructor(world: World, options: HttpServerOptions) {
    this.#world = world;
    this.#options = options;
    this.#settings = { ...DEFAULTS, ...options };
  }

  /** @throws NetError `address-in-use` and the others of `Net.listen`. Returns the port. */
  start(): number {
    const { address, mode, isUrgent = false, tls } = this.#options;
    this.#listener = this.#world.net.listen(
      {
        address,
        isUrgent,
        ...(mode === undefined ? {} : { mode }),
        ...(tls === undefined ? {} : { tls }),
      },
      () => this.#accept(),
    );
    return this.#listener.port;
  }

  /** For connections from now on. @throws TlsError where `tls` has no context for "". */
  setTls(tls: TlsServerOptions): void {
    this.#listener?.setTls(tls);
  }

  #accept(): Connection | null {
    const settings = this.#settings;
    if (this.#connections.size >= settings.maxConnections) return null;
    const connection = new Connection(this.#world, settings, (error) => {
      this.#connections.delete(connection);
      if (error instanceof TlsError) this.#options.onTlsError?.(error);
    });
    this.#connections.add(connection);
    return connection;
  }

  /** Accepts no more; idle connections and streams are closed, answers under way finish. */
  stop(): void {
    this.#listener?.stop();
    this.#listener = null;
    for (const connection of [...this.#connections]) connection.finish();
  }

  /** Other bounds, for connections from now on. */
  limit(bounds: Pick<HttpServerOptions, "maxConnections" | "maxBodyBytes">): void {
    this.#settings = { ...this.#settings, ...bounds };
  }
}

class Connection implements SocketHandler, RequestSink {
  #world: World;
  #settings: Settings;
  #forget: (error: Error | null) => void;
  #socket: Socket | null = null;
  #sender = new ByteSender();
  #decoder: RequestDecoder;
  #body: BodyBuffer;
  #request: Omit<ServerRequest, "body"> | null = null;
  #keepAlive = true;
  #minorVersion = 1;
  #busy = false;
  #lastOne = false;
  #timer: Timer | null = null;
  #endStream: (() => void) | null = null;
  #closed = false;

  constructor(world: World, settings: Settings, forget: (error: Error | null) => void) {
    this.#world = world;
    this.#settings = settings;
    this.#forget = forget;
    this.#body = new BodyBuffer(settings.maxBodyBytes);
    this.#decoder = new RequestDecoder(
      { maxHeaderBytes: settings.maxHeaderBytes, maxHeaders: 100 },
      this,
    );
  }

  finish(): void {
    this.#lastOne = true;
    if (this.#endStream !== null) this.#terminate();
    else if (!this.#busy) this.#close();
  }

  onOpen(socket: Socket): void {
    this.#socket = socket;
    this.#sender.attach(socket);
    this.#awaitRequest();
  }

  onData(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.#busy && this.#decoder.heldBytes + bytes.length > MAX_HELD_BYTES) {
      this.#terminate();
      return;
    }
    const error = this.#decoder.feed(bytes);
    if (error !== null && !this.#busy) this.#refuse(error.status, error.message);
  }

  onDrain(): void {
    const isStream = this.#endStream !== null;
    if (this.#busy && !isStream) this.#arm(WRITE_TIMEOUT_MS);
    this.#sender.flush();
    if (!isStream || this.#endStream === null) return;
    // A stream may rest for as long as nothing happens, but not while its reader owes.
    if (this.#sender.queuedBytes > 0) this.#arm(WRITE_TIMEOUT_MS);
    else this.#disarm();
  }

  onEnd(): void {
    this.#lastOne = true;
    if (this.#endStream !== null) this.#terminate();
    else if (!this.#busy) this.#close();
  }

  onClose(error: Error | null): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#stopStream();
    this.#forget(error);
  }

  onRequestHead(head: RequestHead): void {
    this.#decoder.hold = true;
    const url = head.target;
    const query = url.indexOf("?");
    this.#keepAlive = head.keepAlive;
    this.#minorVersion = head.minorVersion;
    this.#request = {
      method: head.method,
      path: head.path,
      query: new Map(new URLSearchParams(query === -1 ? "" : url.slice(query + 1))),
      headers: copyHeaders(head.headers),
    };
    if (head.framing === "length" && head.contentLength > this.#settings.maxBodyBytes) {
      this.#refuse(413, `a body of ${head.contentLength} bytes is too large`);
    } else if (this.#request.headers.get("expect")?.toLowerCase() === "100-continue") {
      this.#sender.send(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
    }
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.#busy || this.#closed) return;
    if (!this.#body.add(bytes, start, end)) {
      this.#refuse(413, `a body of more than ${this.#settings.maxBodyBytes} bytes is too large`);
    }
  }

  onTrailers(): void {}

  onMessageEnd(): void {
    if (this.#request === null || this.#busy || this.#closed) return;
    this.#busy = true;
    this.#disarm();
    void this.#answer({ ...this.#request, body: this.#body.take() });
  }

  async #answer(request: ServerRequest): Promise<void> {
    let answer: ServerAnswer;
    try {
      answer = await this.#settings.handle(request);
    } catch (error) {
      answer = textAnswer(500, error instanceof Error ? error.message : String(error));
    }
    if (this.#closed) {
      // The stream that nobody reads any more is begun and ended, so that it can clean up.
      answer.stream?.({ write: () => false, queuedBytes: 0, end: () => {} })();
      return;
    }
    if (answer.stream !== undefined) this.#startStream(request, answer, answer.stream);
    else this.#send(answer, request.method === "HEAD", this.#keepAlive && !this.#lastOne);
  }

  #send(answer: ServerAnswer, withoutBody: boolean, keepAlive: boolean): void {
    const given = answer.body ?? NO_BYTES;
    const body = typeof given === "string" ? Buffer.from(given) : given;
    const headers = answer.headers ?? {};
    const out = new ByteWriter(localResponseSize(headers, body));
    const options = { minorVersion: this.#minorVersion, keepAlive, withoutBody };
    writeLocalResponse(out, answer.status, headers, body, options);
    this.#arm(WRITE_TIMEOUT_MS);
    this.#sender.send(out.bytes.subarray(0, out.length));
    this.#sender.whenEmpty(() => this.#done(keepAlive));
  }

  #done(keepAlive: boolean): void {
    if (this.#closed) return;
    this.#busy = false;
    this.#request = null;
    if (!keepAlive || this.#lastOne) {
      this.#close();
      return;
    }
    this.#awaitRequest();
    const error = this.#decoder.resume();
    if (error !== null && !this.#busy) this.#refuse(error.status, error.message);
  }

  #startStream(
    request: ServerRequest,
    answer: ServerAnswer,
    stream: (writer: StreamWriter) => () => void,
  ): void {
    const chunked = this.#minorVersion > 0;
    const lines = [`HTTP/1.1 ${answer.status} OK`];
    for (const [name, value] of Object.entries(answer.headers ?? {})) {
      lines.push(`${name}: ${value}`);
    }
    lines.push(chunked ? "transfer-encoding: chunked" : "connection: close");
    this.#sender.send(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"));
    if (request.method === "HEAD") {
      this.#sender.whenEmpty(() => this.#close());
      return;
    }
    const sender = this.#sender;
    const writer: StreamWriter = {
      write: (data) => this.#writeChunk(data, chunked),
      get queuedBytes() {
        return sender.queuedBytes;
      },
      end: () => {
        if (this.#endStream === null || this.#closed) return;
        this.#stopStream();
        if (chunked) this.#sender.send(Buffer.from("0\r\n\r\n"));
        this.#arm(WRITE_TIMEOUT_MS);
        this.#sender.whenEmpty(() => this.#done(chunked && this.#keepAlive));
      },
    };
    // Replaced by the real one below; a stream that ends within its start needs one too.
    this.#endStream = () => {};
    const stop = stream(writer);
    if (this.#endStream === null) stop();
    else this.#endStream = stop;
  }

  #writeChunk(data: string | Uint8Array, chunked: boolean): boolean {
    if (this.#closed || this.#endStream === null) return false;
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    if (bytes.length === 0) return true;
    if (this.#sender.queuedBytes + bytes.length > MAX_STREAM_BYTES) {
      this.#terminate();
      return false;
    }
    if (!chunked) this.#sender.send(bytes);
    else {
      const size = Buffer.from(`${bytes.length.toString(16)}\r\n`);
      this.#sender.send(Buffer.concat([size, bytes, Buffer.from("\r\n")]));
    }
    if (this.#sender.queuedBytes > 0 && this.#timer === null) this.#arm(WRITE_TIMEOUT_MS);
    return true;
  }

  #stopStream(): void {
    const stop = this.#endStream;
    this.#endStream = null;
    stop?.();
  }

  #refuse(status: number, text: string): void {
    this.#busy = true;
    this.#timer?.cancel();
    this.#lastOne = true;
    this.#send(textAnswer(status, text), false, false);
  }

  #awaitRequest(): void {
    this.#arm(this.#settings.readTimeoutMs);
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#world.clock.after(delayMs, () => this.#terminate());
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #close(): void {
    this.#timer?.cancel();
    if (!this.#closed) this.#socket?.close();
  }

  #terminate(): void {
    if (!this.#closed) this.#socket?.terminate();
  }
}

export function textAnswer(status: number, text: string): ServerAnswer {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: `${text}\n` };
}

export function jsonAnswer(status: number, value: unknown): ServerAnswer {
  return {
    status,
    headers: { "content-type": "application/json" },
    body: `${JSON.stringify(value)}\n`,
  };
}
