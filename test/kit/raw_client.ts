import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** One connection to 127.0.0.1 over which bytes go out as they are given. */
export class RawClient {
  closed = false;
  readonly #socket: Socket;
  #text = "";
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#text += bytes.toString("latin1");
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1" });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawClient(socket);
  }

  send(text: string): void {
    this.#socket.write(text, "latin1");
  }

  /** No more is sent; answers can still come. */
  finish(): void {
    this.#socket.end();
  }

  async get(path: string): Promise<RawAnswer> {
    this.send(`GET ${path} HTTP/1.1\r\nhost: test\r\n\r\n`);
    return this.answer();
  }

  /** The next answer, which has a content-length. Fails where the connection ends before it. */
  async answer(boundMs = 10_000): Promise<RawAnswer> {
    const timer = setTimeout(() => this.#socket.destroy(), boundMs);
    try {
      for (;;) {
        const found = this.#take();
        if (found !== null) return found;
        if (this.closed) throw new Error(`the connection ended: ${JSON.stringify(this.#text)}`);
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(): RawAnswer | null {
    const headEnd = this.#text.indexOf("\r\n\r\n");
    if (headEnd === -1) return null;
    const head = this.#text.slice(0, headEnd);
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    if (length === undefined) throw new Error(`an answer without a length: ${head}`);
    const end = headEnd + 4 + Number(length);
    if (this.#text.length < end) return null;
    const body = this.#text.slice(headEnd + 4, end);
    this.#text = this.#text.slice(end);
    return { status: Number(head.slice("HTTP/1.1 ".length, 12)), head, body };
  }
}
