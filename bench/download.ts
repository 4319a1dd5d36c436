import { HOST } from "./proxies/proxy.ts";

const END_OF_HEAD = "\r\n\r\n";

/** A connection that sends one GET and counts what comes back. */
export class Download {
  bytes = 0;
  readonly #socket: Promise<Bun.Socket<undefined>>;
  readonly #done = Promise.withResolvers<void>();
  #head = "";
  #headBytes = -1;

  /** `pauseAt`: stops to read at so many bytes and keeps the connection open. */
  constructor(
    port: number,
    path: string,
    readonly wanted: number,
    readonly pauseAt = Infinity,
  ) {
    this.#socket = Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        binaryType: "uint8array",
        open: (socket) => {
          socket.write(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
        },
        data: (socket, bytes: Uint8Array) => this.#take(socket, bytes),
        close: () => this.#done.reject(new Error(`closed after ${this.bytes} of ${wanted} bytes`)),
        error: (_socket, error) => this.#done.reject(error),
      },
    });
    this.#done.promise.catch(() => {});
  }

  #take(socket: Bun.Socket<undefined>, bytes: Uint8Array): void {
    this.bytes += bytes.length;
    if (this.#headBytes < 0) {
      this.#head += Buffer.from(bytes).toString("latin1");
      const end = this.#head.indexOf(END_OF_HEAD);
      if (end < 0) return;
      if (!this.#head.startsWith("HTTP/1.1 200")) {
        this.#done.reject(new Error(`answered ${this.#head.slice(0, this.#head.indexOf("\r"))}`));
      }
      this.#headBytes = end + END_OF_HEAD.length;
      this.bytes -= this.#headBytes;
      this.#head = "";
    }
    if (this.bytes >= this.wanted || this.bytes >= this.pauseAt) {
      socket.pause();
      this.#done.resolve();
    }
  }

  /** Resolves at the last byte that is read. @throws where the answer is another or shorter. */
  async done(): Promise<void> {
    await this.#socket;
    return this.#done.promise;
  }

  async close(): Promise<void> {
    (await this.#socket).terminate();
  }
}

/** @throws where the answer is not 200 with so many bytes. */
export async function download(port: number, path: string, bytes: number): Promise<void> {
  const one = new Download(port, path, bytes);
  await one.done();
  await one.close();
}
