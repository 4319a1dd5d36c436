import { createServer, type Server, type Socket } from "node:net";

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
/** An upstream that has heard so long nothing more of a message answers all the same. */
const QUIET_MS = 60;

/** An upstream that writes down every byte and answers 200 to whatever looks like a whole request. */
export class Recorder {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #taken: Buffer[] = [];
  port = 0;

  constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    let timer: Timer | null = null;
    const index = this.#taken.push(Buffer.alloc(0)) - 1;
    const taken = this.#taken;
    socket.on("data", (bytes) => {
      taken[index] = Buffer.concat([taken[index]!, Buffer.from(bytes)]);
      if (timer !== null) clearTimeout(timer);
      if (isWhole(taken[index]!.toString("latin1"))) socket.end(ANSWER);
      else timer = setTimeout(() => socket.end(ANSWER), QUIET_MS);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (timer !== null) clearTimeout(timer);
      this.#open.delete(socket);
    });
  }

  /** What each connection brought since the last call; those without a byte are left out. */
  take(): Buffer[] {
    const taken = this.#taken.filter((bytes) => bytes.length > 0);
    for (const socket of this.#open) socket.destroy();
    this.#taken = [];
    return taken;
  }

  stop(): void {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
  }
}

/** Good enough to answer without a wait: the wait covers all that it does not understand. */
function isWhole(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /^content-length:\s*(\d+)\s*$/im.exec(text.slice(0, head + 2))?.[1];
  if (/^transfer-encoding:/im.test(text.slice(0, head + 2))) return text.endsWith("0\r\n\r\n");
  return text.length >= head + 4 + Number(length ?? 0);
}
