import type {
  Dial,
  DialHandler,
  NetError,
  Socket,
  SocketAddress,
  Timer,
  TlsClientOptions,
  World,
} from "../base/world.ts";
import { isFieldValue } from "../codec/headers.ts";
import { ResponseDecoder, type ResponseSink } from "../codec/http1/response_decoder.ts";
import type { ResponseHead } from "../codec/message.ts";
import { ByteSender } from "./byte_sender.ts";
import { BodyBuffer, copyHeaders, type Headers } from "./headers.ts";

export interface HttpRequest {
  readonly method: string;
  /** An IP address with a port, or a unix socket: names are resolved before. */
  readonly address: SocketAddress;
  /** Over TLS. A connection is kept for the same context and name only. */
  readonly tls?: TlsClientOptions;
  /** Path and query. */
  readonly path: string;
  /** The Host header; follows from the address without it. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Not copied: it stays as it is until the answer is there, or the error. */
  readonly body?: Uint8Array | string;
  /** The whole exchange; 0 is none. */
  readonly timeoutMs: number;
  /** Of the answer; 16 MiB without it. Unused with `onBody`. */
  readonly maxBodyBytes?: number;
  /** Takes the body as it comes; `HttpAnswer.body` is then empty. */
  readonly onBody?: (bytes: Uint8Array) => void;
  /** Called with the head, before `onBody`. */
  readonly onHead?: (status: number, headers: Headers) => void;
  /** A malformed head of the answer is repaired where that is safe: who asks looks at the status. */
  readonly repairsHeads?: boolean;
  /** Its abort ends the exchange with an HttpError "aborted". */
  readonly abort?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * `connect`: no connection (the message says why). `timeout`. `closed`: the connection ended before
 * the answer did. `malformed`: what came is not HTTP/1. `too-large`. `aborted`: by the caller.
 */
export type HttpErrorCode =
  | "connect"
  | "timeout"
  | "closed"
  | "malformed"
  | "too-large"
  | "aborted";

export class HttpError extends Error {
  override readonly name = "HttpError";
  constructor(
    readonly code: HttpErrorCode,
    message: string,
    readonly net: NetError | null = null,
  ) {
    super(message);
  }
}

export interface HttpClientOptions {
  /** Kept open per address for the next request; 0 (the default) closes each. */
  readonly maxIdle?: number;
  /** An idle connection is closed after this. */
  readonly idleMs?: number;
}

const HEAD_LIMITS = { maxHeaderBytes: 65_536, maxHeaders: 200 };
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** A small HTTP/1.1 client: one exchange a connection at a time, connections kept if asked for. */
export class HttpClient {
  readonly #world: World;
  readonly #maxIdle: number;
  readonly #idleMs: number;
  #idle = new Map<string, Connection[]>();
  #closed = false;

  constructor(world: World, options: HttpClientOptions = {}) {
    this.#world = world;
    this.#maxIdle = options.maxIdle ?? 0;
    this.#idleMs = options.idleMs ?? 30_000;
  }

  /** @throws HttpError */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const kept = this.#take(request);
    if (kept === null) return this.#exchange(this.#open(request), request);
    try {
      return await this.#exchange(kept, request);
    } catch (error) {
      // The server may close an idle connection in the very moment in which it is used again.
      const again = error instanceof HttpError && error.code === "closed" && !kept.sawAnswer;
      if (!again || !IDEMPOTENT.has(request.method)) throw error;
      return this.#exchange(this.#open(request), request);
    }
  }

  /** Closes idle connections; exchanges under way come to their end. */
  close(): void {
    this.#closed = true;
    for (const connections of this.#idle.values()) {
      for (const connection of connections) connection.close();
    }
    this.#idle.clear();
  }

  #open(request: HttpRequest): Connection {
    return new Connection(this.#world, request.address, this.#maxIdle > 0, request.tls);
  }

  async #exchange(connection: Connection, request: HttpRequest): Promise<HttpAnswer> {
    const answer = await connection.exchange(request);
    this.#keep(addressText(request.address), connection);
    return answer;
  }

  #take({ address, tls }: HttpRequest): Connection | null {
    const connections = this.#idle.get(addressText(address)) ?? [];
    const at = connections.findLastIndex((kept) => kept.isFor(tls));
    return at === -1 ? null : connections.splice(at, 1)[0]!.wake();
  }

  #keep(key: string, connection: Connection): void {
    const connections = this.#idle.get(key) ?? [];
    if (this.#closed || !connection.reusable || connections.length >= this.#maxIdle) {
      connection.close();
      return;
    }
    connections.push(connection);
    this.#idle.set(key, connections);
    connection.rest(this.#idleMs, () => {
      const at = connections.indexOf(connection);
      if (at !== -1) connections.splice(at, 1);
    });
  }
}

interface Exchange {
  readonly request: HttpRequest;
  readonly body: BodyBuffer;
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: HttpError) => void;
  status: number;
  headers: Headers;
  timer: Timer | null;
}

/** A body of so many bytes is sent as it is: a copy costs more than a second call. */
const LARGE_BYTES = 64 * 1024;

class Connection implements DialHandler, ResponseSink {
  reusable = false;
  /** The answer to the exchange under way has begun. */
  sawAnswer = false;
  #world: World;
  #keepAlive: boolean;
  #address: SocketAddress;
  #tls: TlsClientOptions | undefined;
  #socket: Socket | null = null;
  #dial: Dial | null = null;
  #sender = new ByteSender();
  #decoder: ResponseDecoder;
  #exchange: Exchange | null = null;
  #closed = false;
  #idleTimer: Timer | null = null;
  #forget: () => void = () => {};

  constructor(
    world: World,
    address: SocketAddress,
    keepAlive: boolean,
    tls: TlsClientOptions | undefined,
  ) {
    this.#world = world;
    this.#address = address;
    this.#tls = tls;
    this.#keepAlive = keepAlive;
    this.#decoder = new ResponseDecoder(HEAD_LIMITS, this);
  }

  /** What came over one trust is not used under another one. */
  isFor(tls: TlsClientOptions | undefined): boolean {
    return this.#tls?.context === tls?.context && this.#tls?.serverName === tls?.serverName;
  }

  exchange(request: HttpRequest): Promise<HttpAnswer> {
    this.reusable = false;
    this.sawAnswer = false;
    return new Promise((resolve, reject) => {
      const abort = () => this.#fail("aborted", "the caller gave up");
      const settle = <T>(run: (value: T) => void) => (value: T) => {
        request.abort?.removeEventListener("abort", abort);
        run(value);
      };
      this.#exchange = {
        request,
        body: new BodyBuffer(request.maxBodyBytes ?? MAX_BODY_BYTES),
        resolve: settle(resolve),
        reject: settle(reject),
        status: 0,
        headers: new Map(),
        timer: null,
      };
      if (request.abort?.aborted === true) return abort();
      request.abort?.addEventListener("abort", abort);
      if (request.timeoutMs > 0) {
        this.#exchange.timer = this.#world.clock.after(request.timeoutMs, () =>
          this.#fail("timeout", `no whole answer within ${request.timeoutMs} ms`),
        );
      }
      this.#decoder.expect(request.method);
      this.#send(request);
      if (this.#socket === null) {
        this.#dial = this.#world.net.connect(this.#address, this, this.#tls);
      }
    });
  }

  #send(request: HttpRequest): void {
    const body = typeof request.body === "string" ? Buffer.from(request.body) : request.body;
    const head = encodeHead(request, body?.length, this.#keepAlive);
    if (body === undefined) return this.#sender.send(head);
    if (body.length < LARGE_BYTES) return this.#sender.send(Buffer.concat([head, body]));
    this.#sender.send(head);
    this.#sender.send(body);
  }

  rest(idleMs: number, forget: () => void): void {
    this.#forget = forget;
    this.#idleTimer = this.#world.clock.after(idleMs, () => {
      this.#forget();
      this.close();
    });
  }

  wake(): Connection {
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    this.#forget = () => {};
    return this;
  }

  close(): void {
    this.wake();
    if (!this.#closed) this.#socket?.close();
    this.#closed = true;
  }

  onOpen(socket: Socket): void {
    this.#socket = socket;
    this.#sender.attach(socket);
    this.#sender.flush();
  }

  onConnectError(error: NetError): void {
    this.#closed = true;
    this.#fail("connect", error.message, error);
  }

  onData(bytes: Uint8Array): void {
    if (this.#exchange === null) {
      // Nobody asked: whatever it is, it must not become the next one's answer.
      this.#drop();
      return;
    }
    const error = this.#decoder.feed(bytes);
    if (error !== null) this.#fail("malformed", error.message);
  }

  onDrain(): void {
    this.#sender.flush();
  }

  onEnd(): void {
    const error = this.#exchange === null ? null : this.#decoder.end();
    if (error !== null) this.#fail("closed", error.message);
    else if (this.#exchange === null) this.#drop();
    else this.#fail("closed", "the connection ended before the answer");
  }

  onClose(error: NetError | null): void {
    this.#closed = true;
    this.#forget();
    this.wake();
    this.#fail("closed", error?.message ?? "the connection was closed before the answer", error);
  }

  get repairsHeads(): boolean {
    return this.#exchange?.request.repairsHeads === true;
  }

  onResponseHead(head: ResponseHead): void {
    this.sawAnswer = true;
    const exchange = this.#exchange;
    if (exchange === null || head.status < 200) return;
    exchange.status = head.status;
    exchange.headers = copyHeaders(head.headers);
    this.reusable = this.#keepAlive && head.keepAlive && head.framing !== "until-close";
    exchange.request.onHead?.(exchange.status, exchange.headers);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (exchange.request.onBody !== undefined) {
      exchange.request.onBody(bytes.subarray(start, end));
    } else if (!exchange.body.add(bytes, start, end)) {
      this.#fail("too-large", "the answer is larger than was asked for");
    }
  }

  onTrailers(): void {}

  onMessageEnd(): void {
    const exchange = this.#exchange;
    if (exchange === null || exchange.status === 0) return;
    this.#exchange = null;
    exchange.timer?.cancel();
    if (this.#sender.queuedBytes > 0) {
      // An answer before the whole request: who asked may write over its body from here on.
      this.reusable = false;
      this.#sender.clear();
    }
    const { status, headers } = exchange;
    exchange.resolve({ status, headers, body: exchange.body.take() });
  }

  #drop(): void {
    this.reusable = false;
    this.#forget();
    this.wake();
    if (!this.#closed) this.#socket?.terminate();
    this.#closed = true;
  }

  #fail(code: HttpErrorCode, message: string, net: NetError | null = null): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) {
      exchange.timer?.cancel();
      exchange.reject(new HttpError(code, `${addressText(this.#address)}: ${message}`, net));
    }
    if (this.#socket === null) this.#dial?.abort();
    this.#drop();
  }
}

/** For texts and as a key: `127.0.0.1:80`, `[::1]:80`, `unix:/run/a.sock`. */
export function addressText(address: SocketAddress): string {
  if ("path" in address) return `unix:${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

function encodeHead(
  request: HttpRequest,
  bodyBytes: number | undefined,
  keepAlive: boolean,
): Buffer {
  const { address } = request;
  const host = request.host ?? ("path" in address ? "localhost" : addressText(address));
  const lines = [`${request.method} ${request.path} HTTP/1.1`, `host: ${host}`];
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (!isFieldValue(value)) {
      throw new HttpError("malformed", `the header ${name} has a bad value`);
    }
    lines.push(`${name.toLowerCase()}: ${value}`);
  }
  if (bodyBytes !== undefined) lines.push(`content-length: ${bodyBytes}`);
  if (!keepAlive) lines.push("connection: close");
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}
