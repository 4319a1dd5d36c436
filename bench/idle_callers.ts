import type { Socket } from "bun";

/** So many are opened at once: below what a listener's queue holds. */
const AT_ONCE = 50;
const REQUEST = "GET /1KB HTTP/1.1\r\nHost: bench.test\r\n\r\n";

/** Callers that ask once and keep their connections. */
export class IdleCallers {
  readonly #sockets: Socket[] = [];

  constructor(readonly port: number) {}

  /** Done when each of them has had its answer. @throws Error where a connection ends before. */
  async open(count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - opened) }, () => this.#one()));
    }
  }

  #one(): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`port ${this.port} closed an idle connection`));
      Bun.connect({
        hostname: "127.0.0.1",
        port: this.port,
        socket: {
          open: (socket) => {
            this.#sockets.push(socket);
            socket.write(REQUEST);
          },
          data: () => resolve(),
          close: ended,
          error: ended,
        },
      }).catch(reject);
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }
}
