import type { Listener, TlsServerOptions, World } from "../base/world.ts";
import { type Message, readRequest } from "./messages.ts";
import { Peer } from "./peer.ts";

/** A request as the upstream got it. */
export interface Received {
  readonly method: string;
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly trailers: ReadonlyMap<string, string>;
  readonly message: Message;
  /** From 1, on its connection. */
  readonly ordinal: number;
  readonly peer: Peer;
}

/** An HTTP/1.1 server whose answers a function writes, byte by byte if it wants. */
export class SimUpstream {
  readonly requests: Received[] = [];
  readonly peers: Peer[] = [];
  problem = "";
  /** Sees a connection's bytes before they are read as requests; true keeps them. */
  onBytes: (peer: Peer) => boolean = () => false;
  #answer: (request: Received) => void;
  #listener: Listener;
  #ordinals = new Map<Peer, number>();

  constructor(
    world: World,
    host: string,
    port: number,
    answer: (request: Received) => void,
    tls?: TlsServerOptions,
  ) {
    this.#answer = answer;
    const options = { address: { host, port }, ...(tls === undefined ? {} : { tls }) };
    this.#listener = world.net.listen(options, () => {
      const peer = new Peer();
      this.peers.push(peer);
      peer.changed = () => this.#read(peer);
      return peer;
    });
  }

  set answer(answer: (request: Received) => void) {
    this.#answer = answer;
  }

  /** Connections that are open now. */
  get open(): Peer[] {
    return this.peers.filter((peer) => !peer.closed);
  }

  setTls(tls: TlsServerOptions | null): void {
    this.#listener.setTls(tls);
  }

  stop(): void {
    this.#listener.stop();
  }

  #read(peer: Peer): void {
    try {
      while (!this.onBytes(peer) && this.#readOne(peer)) {}
    } catch (error) {
      this.problem ||= error instanceof Error ? error.message : String(error);
    }
    if (peer.ended && !peer.closed && !this.onBytes(peer)) peer.close();
  }

  #readOne(peer: Peer): boolean {
    const reading = readRequest(peer.input);
    if (reading === null) return false;
    const { message, next } = reading;
    peer.input = peer.input.subarray(next);
    const [method, target] = message.startLine.split(" ");
    const ordinal = (this.#ordinals.get(peer) ?? 0) + 1;
    this.#ordinals.set(peer, ordinal);
    const { headers, body, trailers } = message;
    const request = { method: method!, target: target!, headers, body, trailers };
    const received: Received = { ...request, message, ordinal, peer };
    this.requests.push(received);
    this.#answer(received);
    return true;
  }
}

/** A plain answer with a length. */
export function reply(status: number, body: string, headers = ""): string {
  return `HTTP/1.1 ${status} Said\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

export function chunked(parts: readonly string[], trailers = ""): string {
  const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
  return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n${trailers}\r\n`;
}
