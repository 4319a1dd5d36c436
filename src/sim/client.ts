import type { SocketAddress, TlsClientOptions, World } from "../base/world.ts";
import { type Message, readResponse, statusOf } from "./messages.ts";
import { Peer } from "./peer.ts";

/** A request on its way, and what became of it. */
export interface Call {
  readonly method: string;
  status: number;
  answer: Message | null;
  readonly interim: number[];
  /** The connection ended before the answer was whole. */
  broken: boolean;
}

/** A caller: requests on one connection, answered in order. */
export class SimClient {
  readonly peer = new Peer();
  readonly calls: Call[] = [];
  /** What came is no HTTP, or nobody asked for it. */
  problem = "";
  /** Bytes are left alone: after an upgrade. */
  raw = false;
  whenDone: (call: Call) => void = () => {};
  #next = 0;

  constructor(world: World, address: SocketAddress, tls?: TlsClientOptions) {
    this.peer.changed = () => this.#read();
    world.net.connect(address, this.peer, tls);
  }

  /** `text` is a whole request, or its start: the rest follows by `peer.send`. */
  send(text: string): Call {
    const method = text.slice(0, text.indexOf(" "));
    const call: Call = { method, status: 0, answer: null, interim: [], broken: false };
    this.calls.push(call);
    this.peer.send(text);
    return call;
  }

  get(path: string, host = "shop"): Call {
    return this.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  }

  get waiting(): number {
    return this.calls.length - this.#next;
  }

  #read(): void {
    if (this.raw) return;
    try {
      while (this.#next < this.calls.length && this.#readOne()) {}
      if (this.#next === this.calls.length && this.peer.input.length > 0 && !this.raw) {
        // A server may answer what was not asked only to say why it closes.
        this.problem ||= `bytes that nobody asked for: ${this.peer.text.slice(0, 60)}`;
      }
    } catch (error) {
      this.problem ||= error instanceof Error ? error.message : String(error);
    }
    if (!this.peer.closed && !this.peer.ended) return;
    while (this.#next < this.calls.length) this.#fail(this.calls[this.#next++]!);
    if (this.peer.ended && !this.peer.closed) this.peer.close();
  }

  #readOne(): boolean {
    const call = this.calls[this.#next]!;
    const { input, ended, closed, error } = this.peer;
    const reading = readResponse(input, call.method, ended || (closed && error === null));
    if (reading === null) return false;
    this.peer.input = input.subarray(reading.next);
    const status = statusOf(reading.message.startLine);
    if (status < 200 && status !== 101) {
      call.interim.push(status);
      return true;
    }
    call.status = status;
    call.answer = reading.message;
    this.#next++;
    if (status === 101) this.raw = true;
    this.whenDone(call);
    return !this.raw;
  }

  #fail(call: Call): void {
    call.broken = true;
    this.whenDone(call);
  }
}
