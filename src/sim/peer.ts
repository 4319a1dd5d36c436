import type { DialHandler, NetError, Socket } from "../base/world.ts";

/** One end of a simulated connection: keeps what arrives, sends in order as the window allows. */
export class Peer implements DialHandler {
  socket: Socket | null = null;
  /** Arrived and not taken yet. */
  input: Buffer = Buffer.alloc(0);
  receivedBytes = 0;
  /** The other side's FIN came. */
  ended = false;
  closed = false;
  error: NetError | null = null;
  /** After each event. */
  changed: () => void = () => {};
  #output: Uint8Array[] = [];
  #last: "" | "shutdown" | "close" = "";

  onOpen(socket: Socket): void {
    this.socket = socket;
    this.#pump();
    this.changed();
  }

  onData(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    this.input = Buffer.concat([this.input, bytes]);
    this.changed();
  }

  onDrain(): void {
    this.#pump();
    this.changed();
  }

  onEnd(): void {
    this.ended = true;
    this.changed();
  }

  onClose(error: NetError | null): void {
    this.closed = true;
    this.error = error;
    this.changed();
  }

  onConnectError(error: NetError): void {
    this.onClose(error);
  }

  get unsentBytes(): number {
    return this.#output.reduce((sum, { length }) => sum + length, 0);
  }

  get text(): string {
    return this.input.toString("latin1");
  }

  send(data: string | Uint8Array): void {
    this.#output.push(typeof data === "string" ? Buffer.from(data, "latin1") : data);
    this.#pump();
  }

  /** FIN, behind what is still to be sent; reading goes on. */
  shutdown(): void {
    this.#last = "shutdown";
    this.#pump();
  }

  /** The end, behind what is still to be sent. */
  close(): void {
    this.#last = "close";
    this.#pump();
  }

  /** RST. */
  terminate(): void {
    this.socket?.terminate();
  }

  #pump(): void {
    const { socket } = this;
    if (socket === null || this.closed) return;
    for (let bytes = this.#output[0]; bytes !== undefined; bytes = this.#output[0]) {
      const taken = socket.write(bytes, 0, bytes.length);
      if (taken < 0) return;
      if (taken < bytes.length) {
        this.#output[0] = bytes.subarray(taken);
        return;
      }
      this.#output.shift();
    }
    if (this.#last === "shutdown") socket.shutdown();
    else if (this.#last === "close") socket.close();
  }
}
